// Command generate writes report.pb.go from report.proto. Run it in the module's root; `make generate` does. The compiler is a
// library and the plugin a tool of go.mod, so that their versions are the module's and nothing has to be installed.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// source is named from the module's root: protobuf's registry knows files by their paths, and a program may link several
// of the name report.proto.
const source = "pkg/report/report.proto"

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments become the Go code's
	}
	files, err := compiler.Compile(ctx, source)
	if err != nil {
		return fmt.Errorf("compile %s: %w", source, err)
	}
	generated, err := plugin(ctx, &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source}, ProtoFile: withImports(files[0]), Parameter: proto.String("paths=source_relative"),
	})
	if err != nil {
		return fmt.Errorf("protoc-gen-go: %w", err)
	}
	for _, file := range generated {
		if err := os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644); err != nil { //nolint:gosec // source code
			return fmt.Errorf("write %s: %w", file.GetName(), err)
		}
	}
	return nil
}

// withImports returns the descriptors that a plugin wants: every file after those that it imports.
func withImports(file protoreflect.FileDescriptor) (all []*descriptorpb.FileDescriptorProto) {
	for i := range file.Imports().Len() {
		all = append(all, withImports(file.Imports().Get(i).FileDescriptor)...)
	}
	return append(all, protoutil.ProtoFromFileDescriptor(file))
}

func plugin(ctx context.Context, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	input, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, "go", "tool", "protoc-gen-go")
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(output, &response); err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response.File, nil
}
