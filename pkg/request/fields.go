package request

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// fields reads the members of one JSON object by their exact names, as leniently as clients need, and notes faults under
// the members' paths. An absent member and null are the same.
type fields struct {
	path    string
	members map[string]json.RawMessage
	faults  *faults
}

func (o fields) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

func (o fields) fault(name, problem string) { o.faults.add(o.at(name), problem) }

// raw is nil for an absent member and for null.
func (o fields) raw(name string) json.RawMessage {
	if raw := o.members[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// child is an empty object where the member is absent.
func (o fields) child(name string) fields {
	c := fields{path: o.at(name), faults: o.faults}
	if raw := o.raw(name); raw != nil {
		var ok bool
		if c.members, ok = members(raw); !ok {
			o.fault(name, "not an object")
		}
	}
	return c
}

func (o fields) text(name string) string {
	raw := o.raw(name)
	text, _ := scalar(raw)
	if raw != nil && raw[0] != '"' {
		o.fault(name, "not a string")
	}
	return text
}

// scalar is a string's text, or a number or boolean as it is written.
func (o fields) scalar(name string) string {
	text, ok := scalar(o.raw(name))
	if !ok {
		o.fault(name, "neither a string nor a number")
	}
	return text
}

func scalar(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 {
		return "", true
	}
	switch raw[0] {
	case '{', '[':
		return "", false
	case '"':
		if inner := raw[1 : len(raw)-1]; plain(inner) {
			return string(inner), true
		}
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	default:
		return string(raw), true
	}
}

// plain reports that a JSON string's inside stands for itself, as nearly all do.
func plain(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// list reads an array of strings and numbers; nil where the member is absent.
func (o fields) list(name string) []string {
	raw := o.raw(name)
	if raw == nil {
		return nil
	}
	items, ok := elements(raw)
	if !ok {
		o.fault(name, "not a list")
	}
	var texts []string
	for i, item := range items {
		text, ok := scalar(item)
		if !ok || string(item) == "null" {
			o.fault(name+"["+strconv.Itoa(i)+"]", "not a string")
		}
		texts = append(texts, text)
	}
	return texts
}

func (o fields) flag(name string, absent bool) bool {
	switch text := o.scalar(name); text {
	case "":
		return absent
	case "true", "True", "TRUE", "1":
		return true
	case "false", "False", "FALSE", "0":
		return false
	default:
		o.fault(name, "not a boolean")
		return absent
	}
}

// count reads a whole number of things, sent as a number or a string; absent and "" are 0.
func (o fields) count(name string) int {
	n, ok := whole(o.scalar(name))
	if !ok || n > math.MaxInt32 {
		o.fault(name, "not a whole number from 0 on")
		return 0
	}
	return int(n)
}

// whole reads "3", "3.0" and "" (0) as the JSON of different clients has them.
func whole(text string) (int64, bool) {
	if text == "" {
		return 0, true
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, n >= 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f >= math.MaxInt64 || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

func (o fields) size(name string) int64 {
	text := o.scalar(name)
	if n, ok := whole(text); ok {
		return n
	}
	n, err := ParseSize(text)
	if err != nil {
		o.fault(name, err.Error())
	}
	return n
}

func (o fields) duration(name string) time.Duration {
	d, ok := parseDuration(o.scalar(name))
	if !ok {
		o.fault(name, "not a duration such as 48h2m10s, nor seconds")
	}
	return d
}

// lastTime is the end of the year 9999, the last that RFC 3339 can write.
const lastTime = 253402300799

// time reads seconds since 1970 to the microsecond, which is what a float64 of today's size can hold.
func (o fields) time(name string) time.Time {
	text := o.scalar(name)
	if text == "" {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= lastTime) {
		o.fault(name, "not a time in seconds since 1970")
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}
