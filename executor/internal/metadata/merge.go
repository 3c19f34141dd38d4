package metadata

// mergeDocument merges an object into the document (RFC 7386).
func (e *edit) mergeDocument(patch map[string]any) error {
	if _, depth := measure(patch); depth > maxDepth {
		return errExpensive
	}
	root, _ := e.root[0].(map[string]any) // always is
	for key, value := range patch {
		if err := e.mergeMember(slot{object: root, key: key}, value, key == reserved); err != nil {
			return err
		}
	}
	return nil
}

// mergeMember merges a value into a member. A guarded one may be added, or be the same as before.
func (e *edit) mergeMember(s slot, value any, guarded bool) error {
	old, there := s.get()
	patch, isObject := value.(map[string]any)
	if object, ok := old.(map[string]any); ok && isObject {
		for key, member := range patch {
			if err := e.mergeMember(slot{object: object, key: key}, member, guarded); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case value == nil && !there:
		return nil
	case there && guarded && equal(old, value) && value != nil:
		return nil
	case there && guarded:
		return errReserved
	case value == nil:
		e.unset(s)
	default:
		prune(patch)
		e.set(s, value)
	}
	return nil
}

// prune removes the members that are null from a patch that has no target: they name what there is not.
func prune(patch map[string]any) {
	for key, value := range patch {
		if value == nil {
			delete(patch, key)
		} else if object, ok := value.(map[string]any); ok {
			prune(object)
		}
	}
}
