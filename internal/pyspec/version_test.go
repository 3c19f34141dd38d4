package pyspec

import (
	"errors"
	"testing"
)

func TestVersionsAreReadAsFarAsTheyAreAsked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]int{"": {3, -1, -1}, "3": {3, -1, -1}, "3.9": {3, 9, -1}, "3.11.2": {3, 11, 2}} {
		if major, minor, patch, err := ParseVersion(text); err != nil || [3]int{major, minor, patch} != want {
			t.Errorf("ParseVersion(%q) = %d, %d, %d, %v; want %v", text, major, minor, patch, err, want)
		}
	}
	for _, text := range []string{"three", "3.", ">=3.9", "3.9.1.1", "1000"} {
		var refused *InterpreterError
		if _, _, _, err := ParseVersion(text); !errors.As(err, &refused) || refused.Asked != text {
			t.Errorf("ParseVersion(%q) = %v; want an InterpreterError", text, err)
		}
	}
}
