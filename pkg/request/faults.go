package request

import (
	"fmt"
	"strings"
)

// shownFaults bounds an error's length: a hostile request may have a fault per byte.
const shownFaults = 8

// faults collects what is wrong with a request, each with its field.
type faults struct {
	shown []string
	more  int
}

func (f *faults) add(path, problem string) {
	if len(f.shown) == shownFaults {
		f.more++
		return
	}
	f.shown = append(f.shown, path+": "+problem)
}

// err is nil without faults, else one line that matches ErrMalformed.
func (f *faults) err() error {
	if len(f.shown) == 0 {
		return nil
	}
	text := strings.Join(f.shown, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	return fmt.Errorf("%w: %s", ErrMalformed, text)
}
