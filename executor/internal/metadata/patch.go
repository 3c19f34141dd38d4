package metadata

import (
	"slices"
	"strconv"
	"strings"
)

// patch applies an RFC 6902 patch. It works on the tree itself: encoding the document anew for each line, as libraries do,
// would make an experiment's log cost the square of its length.
func (e *edit) patch(operations []any) error {
	if len(operations) > maxOperations {
		return errExpensive
	}
	for _, o := range operations {
		operation, ok := o.(map[string]any)
		if !ok {
			return errNoPatch
		}
		if err := e.operate(operation); err != nil {
			return err
		}
		if e.work > maxWork {
			return errExpensive
		}
	}
	return nil
}

func (e *edit) operate(operation map[string]any) error {
	path, err := pointer(operation, "path")
	if err != nil {
		return err
	}
	value, valued := operation["value"]
	switch op := operation["op"]; {
	case op == "remove":
		return e.remove(path)
	case op == "move", op == "copy":
		from, err := pointer(operation, "from")
		if err != nil {
			return err
		}
		return e.transfer(from, path, op == "move")
	case !valued:
		return errNoPatch
	case op == "add":
		return e.add(path, value)
	case op == "replace":
		return e.replace(path, value)
	case op == "test":
		s, err := e.find(path)
		if err != nil {
			return err
		}
		if at, _ := s.get(); !equal(at, value) {
			return errTest
		}
		return nil
	default:
		return errNoPatch
	}
}

// pointer reads a member that is a JSON pointer (RFC 6901) into its tokens.
func pointer(operation map[string]any, name string) ([]string, error) {
	text, ok := operation[name].(string)
	if !ok || text != "" && text[0] != '/' {
		return nil, errNoPatch
	}
	if strings.Count(text, "/") > maxDepth {
		return nil, errExpensive
	}
	tokens := strings.Split(text, "/")[1:]
	for i, token := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	}
	return tokens, nil
}

// guarded tells whether a path leads to what belongs to the executor.
func guarded(path []string) bool { return len(path) > 0 && path[0] == reserved }

// find returns the slot of the value at a path.
func (e *edit) find(path []string) (slot, error) {
	s := slot{array: e.root}
	for _, token := range path {
		at, _ := s.get()
		switch at := at.(type) {
		case map[string]any:
			s = slot{object: at, key: token}
			if _, there := s.get(); !there {
				return slot{}, errMissing
			}
		case []any:
			i, ok := index(token, len(at))
			if !ok {
				return slot{}, errMissing
			}
			s = slot{array: at, index: i}
		default:
			return slot{}, errMissing
		}
	}
	return s, nil
}

// index reads an array index below n: digits without a leading zero.
func index(token string, n int) (i int, ok bool) {
	i, err := strconv.Atoi(token)
	return i, err == nil && i >= 0 && i < n && strconv.Itoa(i) == token
}

// parent returns the slot of the object or array that holds the last token of a path, and that token.
func (e *edit) parent(path []string) (s slot, last string, err error) {
	if len(path) == 0 {
		return slot{}, "", errWhole
	}
	s, err = e.find(path[:len(path)-1])
	return s, path[len(path)-1], err
}

func (e *edit) add(path []string, value any) error {
	p, last, err := e.parent(path)
	if err != nil {
		return err
	}
	if _, depth := measure(value); len(path)+depth > maxDepth {
		return errExpensive
	}
	at, _ := p.get()
	switch at := at.(type) {
	case map[string]any:
		s := slot{object: at, key: last}
		if _, there := s.get(); there && guarded(path) {
			return errReserved
		}
		e.set(s, value)
		return nil
	case []any:
		i, ok := index(last, len(at)+1)
		if last != "-" && !ok {
			return errMissing
		}
		if last == "-" || i == len(at) {
			e.resize(p, append(at, value)) // what is before the end stays as it is
		} else {
			e.resize(p, slices.Insert(slices.Clip(at), i, value))
			e.work += len(at)
		}
		e.growth += e.size(slot{}, value)
		return nil
	default:
		return errMissing
	}
}

func (e *edit) remove(path []string) error {
	p, last, err := e.parent(path)
	if err != nil {
		return err
	}
	if guarded(path) {
		return errReserved
	}
	s, err := e.find(path)
	if err != nil {
		return err
	}
	if s.object != nil {
		e.unset(slot{object: s.object, key: last})
		return nil
	}
	e.resize(p, slices.Concat(s.array[:s.index], s.array[s.index+1:]))
	e.growth -= e.size(s, s.array[s.index])
	e.work += len(s.array)
	return nil
}

func (e *edit) replace(path []string, value any) error {
	switch {
	case len(path) == 0:
		return errWhole
	case guarded(path):
		return errReserved
	}
	s, err := e.find(path)
	if err != nil {
		return err
	}
	if _, depth := measure(value); len(path)+depth > maxDepth {
		return errExpensive
	}
	e.set(s, value)
	return nil
}

// transfer moves or copies a value.
func (e *edit) transfer(from, path []string, move bool) error {
	s, err := e.find(from)
	if err != nil {
		return err
	}
	value, _ := s.get()
	if !move {
		return e.add(path, clone(value))
	}
	if len(path) > len(from) && slices.Equal(from, path[:len(from)]) { // into itself
		return errMissing
	}
	if err := e.remove(from); err != nil {
		return err
	}
	return e.add(path, value)
}
