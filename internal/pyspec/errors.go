package pyspec

// RequirementsError means that the requirements cannot be installed, today or on a retry.
type RequirementsError struct {
	Requirement string // the one at fault, or empty where uv does not say
	Reason      string // a sentence for the experimenter
	Output      string // what uv said about it: its last lines, at most 4 KiB
}

func (e *RequirementsError) Error() string {
	if e.Output == "" {
		return e.Reason
	}
	return e.Reason + ":\n" + e.Output
}

// InterpreterError means that no Python here can stand in for the one that was asked for.
type InterpreterError struct {
	Asked  string
	Reason string // a sentence for the experimenter
}

func (e *InterpreterError) Error() string { return e.Reason }
