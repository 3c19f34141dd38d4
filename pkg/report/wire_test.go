package report

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The names, types and numbers that clients in the field have. They never change.
func TestNamesAndNumbersAreThoseOfTheWire(t *testing.T) {
	t.Parallel()
	want := []string{
		"LogEntry.fields map 4", "LogEntry.message google.protobuf.StringValue 3",
		"LogEntry.severity dev.studio_go_runner.reports.LogSeverity 2", "LogEntry.time google.protobuf.Timestamp 1",
		"LogSeverity Debug 200", "LogSeverity Default 0", "LogSeverity Error 500", "LogSeverity Fatal 600", "LogSeverity Info 300",
		"LogSeverity Trace 100", "LogSeverity Warning 400",
		"Progress.Error.code int32 21", "Progress.Error.msg google.protobuf.StringValue 20",
		"Progress.error dev.studio_go_runner.reports.Progress.Error 4", "Progress.json google.protobuf.StringValue 2",
		"Progress.state dev.studio_go_runner.reports.TaskState 3", "Progress.time google.protobuf.Timestamp 1",
		"Report.executor_id google.protobuf.StringValue 4", "Report.experiment_id google.protobuf.StringValue 2",
		"Report.logging dev.studio_go_runner.reports.LogEntry 12", "Report.progress dev.studio_go_runner.reports.Progress 13",
		"Report.proto_any google.protobuf.Any 10", "Report.text google.protobuf.StringValue 11",
		"Report.time google.protobuf.Timestamp 1", "Report.unique_id google.protobuf.StringValue 3",
		"TaskState Failed 20", "TaskState Prestart 0", "TaskState Started 1", "TaskState Stopping 2", "TaskState Success 21",
	}
	got := slices.Concat(fields(File_pkg_report_report_proto.Messages()), values(File_pkg_report_report_proto.Enums()))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("report.proto has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	payload := (&Report{}).ProtoReflect().Descriptor().Oneofs().ByName("payload")
	if payload == nil || payload.Fields().Len() != 4 {
		t.Errorf("the oneof payload is %v; want the four of 10 to 13", payload)
	}
}

func fields(messages protoreflect.MessageDescriptors) (all []string) {
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.IsMapEntry() {
			continue
		}
		all = append(all, fields(m.Messages())...)
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			kind := f.Kind().String()
			switch {
			case f.IsMap():
				kind = "map"
			case f.Message() != nil:
				kind = string(f.Message().FullName())
			case f.Enum() != nil:
				kind = string(f.Enum().FullName())
			}
			name := strings.TrimPrefix(string(f.FullName()), "dev.studio_go_runner.reports.")
			all = append(all, fmt.Sprintf("%s %s %d", name, kind, f.Number()))
		}
	}
	return all
}

func values(enums protoreflect.EnumDescriptors) (all []string) {
	for i := range enums.Len() {
		for j := range enums.Get(i).Values().Len() {
			v := enums.Get(i).Values().Get(j)
			all = append(all, fmt.Sprintf("%s %s %d", enums.Get(i).Name(), v.Name(), v.Number()))
		}
	}
	return all
}

func TestTheGeneratedCodeIsThatOfTheProtoFile(t *testing.T) {
	t.Parallel()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../.."}})}
	files, err := compiler.Compile(t.Context(), "pkg/report/report.proto")
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(protodesc.ToFileDescriptorProto(files[0]), protodesc.ToFileDescriptorProto(File_pkg_report_report_proto)) {
		t.Error("report.pb.go was not generated from report.proto as it is now: run `make generate`")
	}
	source, err := os.ReadFile("report.proto")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("report.pb.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(source)) { // comments are no part of the descriptor
		if words, ok := strings.CutPrefix(strings.TrimSpace(line), "// "); ok && !strings.Contains(string(code), words) {
			t.Errorf("report.pb.go lacks the comment %q: run `make generate`", words)
		}
	}
}
