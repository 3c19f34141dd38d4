package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/leaf-ai/studio-cloud-runner/pkg/report"
)

// reported is a report of an experiment at noon, in local time.
func reported(key string, payload func(*report.Report)) *report.Report {
	r := &report.Report{
		Time:         timestamppb.New(time.Date(2026, 11, 24, 12, 0, 0, 0, time.Local)),
		ExperimentId: wrapperspb.String(key), UniqueId: wrapperspb.String("27943ff0-1"), ExecutorId: wrapperspb.String("cpu-0"),
	}
	payload(r)
	return r
}

func logged(severity report.LogSeverity, text string) func(*report.Report) {
	return func(r *report.Report) {
		r.Payload = &report.Report_Logging{Logging: &report.LogEntry{Severity: severity, Message: wrapperspb.String(text)}}
	}
}

func progressed(p *report.Progress) func(*report.Report) {
	return func(r *report.Report) { r.Payload = &report.Report_Progress{Progress: p} }
}

func TestAReportIsALineThatTellsWhenWhichAndWhat(t *testing.T) {
	t.Parallel()
	failed := &report.Progress{State: report.TaskState_Failed, Error: &report.Progress_Error{Msg: wrapperspb.String("The program ended with exit code 3."), Code: 3}}
	for name, tc := range map[string]struct {
		key     string
		payload func(*report.Report)
		want    string // after the time
		how     style
	}{
		"a state":      {"hello-1", progressed(&report.Progress{State: report.TaskState_Started}), "Started", cyan},
		"the end":      {"hello-1", progressed(&report.Progress{State: report.TaskState_Success}), "Success", green},
		"a failure":    {"hello-1", progressed(failed), "Failed   The program ended with exit code 3.", red},
		"a code alone": {"hello-1", progressed(&report.Progress{State: report.TaskState_Failed, Error: &report.Progress_Error{Code: 3}}), "Failed   exit code 3", red},
		"JSON":         {"hello-1", progressed(&report.Progress{State: report.TaskState_Started, Json: wrapperspb.String(`{"loss":1}`)}), `json     {"loss":1}`, normal},
		"a line":       {"hello-1", logged(report.LogSeverity_Info, "step 1"), "info     step 1", normal},
		"a warning":    {"hello-1", logged(report.LogSeverity_Warning, "12 lines left out"), "warning  12 lines left out", yellow},
		"an error":     {"hello-1", logged(report.LogSeverity_Fatal, "gone"), "fatal    gone", red},
		"text":         {"hello-1", func(r *report.Report) { r.Payload = &report.Report_Text{Text: wrapperspb.String("hi")} }, "text     hi", normal},
		"another kind": {"hello-1", func(r *report.Report) { r.Payload = &report.Report_ProtoAny{ProtoAny: &anypb.Any{}} }, "other    a payload that this studioctl does not know; --json shows it", dim},
		"no key":       {"", progressed(&report.Progress{State: report.TaskState_Failed}), "Failed", red},
		"a steering":   {"a\x1b[2Jb", logged(report.LogSeverity_Info, "\x1b]0;x\x07\u202ey"), "info     \ufffd]0;x\ufffd\ufffdy", normal},
	} {
		r := reported(tc.key, tc.payload)
		who := strings.ReplaceAll(tc.key, "\x1b", "\ufffd")
		if who == "" {
			who = "message 27943ff0"
		}
		if got, want := reportLine(r, screen{}), fmt.Sprintf("12:00:00  %-15s  %s", who, tc.want); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
		coloured := reportLine(r, screen{terminal: true, width: 200, colour: true})
		if what, _, _ := said(r); tc.how != normal && !strings.Contains(coloured, "\x1b["+string(tc.how)+"m"+what) {
			t.Errorf("%s: %q; want %s in the style %s", name, coloured, what, tc.how)
		}
	}
}

func TestAReportsWordsStayInTheirColumn(t *testing.T) {
	t.Parallel()
	r := reported("1764000000_aaaaaaaaaaaaaaaaaaaaaaaaaa", logged(report.LogSeverity_Info, strings.Repeat("word ", 30)))
	lines := strings.Split(reportLine(r, screen{terminal: true, width: 80}), "\n")
	at := strings.Index(lines[0], "word")
	for i, line := range lines {
		if len(line) > 80 || at < 0 || i > 0 && strings.Index(line, "word") != at {
			t.Errorf("line %d is %q", i, line)
		}
	}
	if len(lines) < 3 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestReportsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	pair := newUser(t, nil).makes("report", filepath.Join(t.TempDir(), "key"), "--bits", "2048").Files
	for name, tc := range map[string]struct {
		env  map[string]string
		args string
		code int
		says string
	}{
		"no broker":              {nil, "--queue rmq_test", 1, "studioctl local"},
		"no key":                 {map[string]string{"AMQP_URL": "amqp://h"}, "--queue rmq_test", 2, "make one with `studioctl keys report`"},
		"a queue that is none":   {map[string]string{"AMQP_URL": "amqp://h"}, "--queue mine", 2, "queues begin with rmq_"},
		"peek and discard":       {nil, "--peek --discard-unreadable", 2, "leave out --discard-unreadable"},
		"a URL's file that not":  {nil, "--amqp-url-file /nonexistent", 1, "/nonexistent"},
		"a URL that cannot be":   {map[string]string{"AMQP_URL": "hunter2"}, "--key PRIVATE --queue rmq_x", 1, "the AMQP URL cannot be read"},
		"a key that opens not":   {map[string]string{"AMQP_URL": "amqp://h"}, "--key PUBLIC", 2, "give the private RSA file"},
		"a key that is not here": {map[string]string{"AMQP_URL": "amqp://h"}, "--key nowhere.pem", 1, "nowhere.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, errOut := newUser(t, tc.env).run(append([]string{"reports"}, strings.Fields(strings.NewReplacer("PRIVATE", pair["private"], "PUBLIC", pair["public"]).Replace(tc.args))...)...)
			if code != tc.code || !strings.Contains(errOut, tc.says) || strings.Contains(errOut, "hunter2") {
				t.Errorf("reports %s = %d, %s; want %d and %q", tc.args, code, errOut, tc.code, tc.says)
			}
		})
	}
}

func TestAFollowerRemembersTheLatestReportsAndNoMore(t *testing.T) {
	t.Parallel()
	var m memory
	for i := range 3 * remembered {
		m.keep(fmt.Sprint(i), i%2 == 0)
		if size := len(m.latest) + len(m.before); size > 2*remembered {
			t.Fatalf("%d reports are remembered", size)
		}
	}
	for i := range remembered {
		id := 3*remembered - 1 - i
		if taken, known := m.of(fmt.Sprint(id)); !known || taken != (id%2 == 0) {
			t.Fatalf("report %d is known: %v, taken: %v", id, known, taken)
		}
	}
	m.keep("", true)
	if _, known := m.of(""); known {
		t.Error("a message without an id is taken for another without one")
	}
}
