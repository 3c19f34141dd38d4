//go:build integration

package docs_test

import (
	"fmt"
	"regexp"
	"strings"
)

// block is a fenced block of a guide.
type block struct {
	file  string
	line  int // of its first line
	lang  string
	marks map[string]string // the words after the language; "" where a word has no value
	lines []string
}

func (b block) where() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

func (b block) text() string { return strings.Join(b.lines, "\n") + "\n" }

func (b block) has(mark string) bool { _, ok := b.marks[mark]; return ok }

// The marks, each with what it does; guides_test.go explains them.
var knownMarks = []string{"file", "covered-by", "needs-google", "until-interrupted"}

var fence = regexp.MustCompile("^ *```+ *([a-z]*)(.*)$")

// parse returns the fenced blocks of a guide.
func parse(file, text string) (all []block, err error) {
	var open *block
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m == nil && open != nil:
			open.lines = append(open.lines, line)
		case m == nil:
		case open == nil:
			open = &block{file: file, line: i + 2, lang: m[1], marks: map[string]string{}}
			for _, word := range strings.Fields(m[2]) {
				name, value, _ := strings.Cut(word, "=")
				open.marks[name] = value
			}
		default:
			all = append(all, *open)
			open = nil
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block is not closed", open.where())
	}
	return all, nil
}

// commands returns what a reader types: a block of sh as a whole, of console what follows the prompts.
func (b block) commands() []string {
	switch b.lang {
	case "sh":
		return []string{b.text()}
	case "console":
	default:
		return nil
	}
	var typed []string
	goesOn := false
	for _, line := range b.lines {
		command, prompted := strings.CutPrefix(line, "$ ")
		switch {
		case prompted:
			typed = append(typed, command)
		case goesOn:
			typed[len(typed)-1] += "\n" + line
		}
		goesOn = (prompted || goesOn) && strings.HasSuffix(line, `\`)
	}
	return typed
}

// unmarked finds what looks like a command where no command would be run.
var unmarked = regexp.MustCompile(`^(\$ |(bin/)?studioctl |studio |make [a-z]|go (test|build)|git |ssh-keygen |gcloud |curl )`)

// fault says what is wrong with how a block is marked.
func (b block) fault() error {
	for mark := range b.marks {
		known := false
		for _, name := range knownMarks {
			known = known || name == mark
		}
		if !known {
			return fmt.Errorf("%s: unknown mark %q", b.where(), mark)
		}
	}
	runnable := b.lang == "sh" || b.lang == "console"
	for _, line := range b.lines {
		if !runnable && unmarked.MatchString(line) {
			return fmt.Errorf("%s: %q looks like a command: make the block sh or console", b.where(), line)
		}
	}
	if runnable && len(b.commands()) == 0 {
		return fmt.Errorf("%s: a block of %s without a command", b.where(), b.lang)
	}
	return nil
}
