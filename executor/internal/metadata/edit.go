package metadata

import "errors"

// Why a directive does not apply.
var (
	errReserved  = errors.New("only additions are allowed there")
	errWhole     = errors.New("the document as a whole stays")
	errMissing   = errors.New("there is nothing there")
	errExpensive = errors.New("too deep or too much work")
	errNoPatch   = errors.New("not a patch operation")
	errTest      = errors.New("the test fails")
)

// slot is a place that holds a value: a member of an object (which may be absent) or an element of an array.
type slot struct {
	object map[string]any // nil for an element
	key    string
	array  []any
	index  int
}

func (s slot) get() (value any, there bool) {
	if s.object == nil {
		return s.array[s.index], true
	}
	value, there = s.object[s.key]
	return value, there
}

func (s slot) put(value any) {
	if s.object == nil {
		s.array[s.index] = value
		return
	}
	s.object[s.key] = value
}

// edit is one directive's change of a document, which can be undone.
type edit struct {
	root   []any
	growth int // of the JSON, in bytes
	work   int // bytes of JSON walked through
	undo   []before
}

// before is what a slot held.
type before struct {
	slot
	value any
	there bool
}

// apply carries out a directive. After an error the edit must be rolled back.
func (e *edit) apply(directive any) error {
	switch directive := directive.(type) {
	case map[string]any:
		return e.mergeDocument(directive)
	case []any:
		return e.patch(directive)
	default:
		return errNoPatch
	}
}

func (e *edit) rollBack() {
	for i := len(e.undo) - 1; i >= 0; i-- {
		b := e.undo[i]
		if b.there {
			b.put(b.value)
		} else {
			delete(b.object, b.key)
		}
	}
}

// set puts a value into a slot and accounts for it.
func (e *edit) set(s slot, value any) {
	old := e.remember(s)
	e.growth += e.size(s, value) - old
	s.put(value)
}

// unset removes a member of an object.
func (e *edit) unset(s slot) {
	e.growth -= e.remember(s)
	delete(s.object, s.key)
}

// resize puts a changed array where the old one was; the caller accounts for its elements. The old one must be left as it is.
func (e *edit) resize(s slot, array []any) {
	old, _ := s.get()
	e.undo = append(e.undo, before{slot: s, value: old, there: true})
	s.put(array)
}

// remember notes what a slot holds and returns its size.
func (e *edit) remember(s slot) (size int) {
	old, there := s.get()
	e.undo = append(e.undo, before{slot: s, value: old, there: there})
	if !there {
		return 0
	}
	return e.size(s, old)
}

// size is what a value adds to the JSON in a slot, its name and comma included.
func (e *edit) size(s slot, value any) int {
	size, _ := measure(value)
	e.work += size
	if s.object != nil {
		size += sizeOfString(s.key) + len(":")
	}
	return size + len(",")
}
