package pyenv

import "github.com/leaf-ai/studio-cloud-runner/internal/pyspec"

// The errors that are the experimenter's to mend.
type (
	RequirementsError = pyspec.RequirementsError
	InterpreterError  = pyspec.InterpreterError
)
