package request

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// parseDuration reads Go's form ("48h2m10s", any case) and plain seconds; "" is 0.
func parseDuration(text string) (time.Duration, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return 0, true
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		nanos := seconds * float64(time.Second)
		return time.Duration(nanos), nanos >= 0 && nanos < math.MaxInt64
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// verbose is a boolean, its text, or a level of the client's log: debug and info are verbose. It is never at fault,
// since nothing but chattiness hangs on it.
func (o fields) verbose(name string) bool {
	text, _ := scalar(o.raw(name))
	switch strings.ToLower(text) {
	case "true", "debug", "info":
		return true
	}
	level, err := strconv.Atoi(text) // the client's numbers: debug 10, info 20, warn 30
	return err == nil && level <= 20
}

// environment reads names and values that a process can be given; a null value is left out.
func (o fields) environment(name string) map[string]string {
	child := o.child(name)
	if len(child.members) == 0 {
		return nil
	}
	names := make([]string, 0, len(child.members))
	for key := range child.members {
		names = append(names, key)
	}
	sort.Strings(names)
	env := make(map[string]string, len(names))
	for _, key := range names {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			o.fault(name, "holds a name that no environment can have")
			continue
		}
		value, ok := scalar(child.raw(key))
		switch {
		case !ok || strings.ContainsRune(value, 0):
			child.fault(printable(key), "not a string, or with a zero byte")
		case child.raw(key) != nil:
			env[key] = value
		}
	}
	return env
}

// requirements reads pip requirements. A line break in one would start another line of the file they are written to.
func (o fields) requirements(name string) []string {
	list := o.list(name)
	for i, item := range list {
		if strings.ContainsFunc(item, unicode.IsControl) {
			o.fault(fmt.Sprintf("%s[%d]", name, i), "holds a control character")
		}
	}
	return list
}

// printable makes a name that a client chose fit for an error.
func printable(name string) string {
	const most = 64
	if r := []rune(name); len(r) > most {
		name = string(r[:most])
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}
