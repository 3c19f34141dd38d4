package docs_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestThePictureShowsADemonstrationThatCompleted(t *testing.T) {
	t.Parallel()
	picture, err := os.ReadFile("demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML, which browsers refuse: %v", err)
		}
		if chars, ok := token.(xml.CharData); ok {
			text.Write(chars)
		}
	}
	for _, want := range []string{"submitted", "relayed", "claimed", "started", "finished", "2 of 2 experiments completed"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the picture does not show %q; `make picture` draws it anew", want)
		}
	}
}
