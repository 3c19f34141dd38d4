// Command render writes a kustomize overlay for each pool of a deployment from what Terraform says of it: deployment.json, as
// `terraform output -json deployment` prints it. What pools share, Terraform makes (infra/terraform/modules/cluster).
//
//	go run ./infra/kubernetes/render [-image REFERENCE] deployment.json FOLDER
//
// FOLDER lies in infra/kubernetes, since overlays name the base by its relative path. What it held before is replaced.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(args []string, usage io.Writer) error {
	flags := flag.NewFlagSet("render", flag.ContinueOnError)
	flags.SetOutput(usage)
	image := flags.String("image", "", "executor's image by digest; without it the registry's executor:latest")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("name deployment.json and the folder to write to")
	}
	text, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return fmt.Errorf("read the deployment: %w", err)
	}
	d, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	if *image == "" {
		*image = d.Registry + "/executor:latest"
	}
	files, err := d.overlays(*image)
	if err != nil {
		return err
	}
	return write(flags.Arg(1), files)
}

// write replaces the folder.
func write(folder string, files map[string][]byte) error {
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("clear %s: %w", folder, err)
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // nothing secret is in it
			return fmt.Errorf("make the folder of %s: %w", path, err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // likewise
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
