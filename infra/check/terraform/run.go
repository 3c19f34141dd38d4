package terraform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tool runs Terraform or OpenTofu in folders of its own, so that nothing is left beside the modules.
type Tool struct {
	Program string
	Data    string // where init puts providers, one folder for each module
}

// Find returns the tool that is on PATH.
func Find(data string) (Tool, error) {
	for _, name := range []string{"terraform", "tofu"} {
		if program, err := exec.LookPath(name); err == nil {
			return Tool{Program: program, Data: data}, nil
		}
	}
	return Tool{}, errors.New("neither terraform nor tofu is on PATH: https://developer.hashicorp.com/terraform/install or https://opentofu.org/docs/intro/install")
}

func (tool Tool) run(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, tool.Program, args...) //nolint:gosec // the tool that was found
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "TF_IN_AUTOMATION=1", "TF_DATA_DIR="+filepath.Join(tool.Data, strings.ReplaceAll(folder, "/", "_")))
	// A preset name of a file that is not there would only make noise.
	if _, err := os.Stat(os.Getenv("TF_CLI_CONFIG_FILE")); err != nil { //nolint:gosec // Terraform's own variable
		cmd.Env = append(cmd.Env, "TF_CLI_CONFIG_FILE=/dev/null")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s in %s: %w", filepath.Base(tool.Program), args[0], folder, err)
	}
	return string(out), nil
}

// Validate formats, fetches providers and compares with their schema.
func (tool Tool) Validate(ctx context.Context, folder string) error {
	for _, args := range [][]string{
		{"fmt", "-check", "-diff", "-recursive", "-no-color", "."},
		{"init", "-backend=false", "-no-color", "-input=false"},
		{"validate", "-no-color"},
	} {
		if out, err := tool.run(ctx, folder, args...); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	return nil
}

// Outputs are values after a plan.
type Outputs map[string]struct {
	After json.RawMessage `json:"after"`
}

// Plan is what a run of a test would change, by the run's name.
type Plan struct {
	Resources []Resource `json:"resource_changes"`
	Outputs   Outputs    `json:"output_changes"`
}

// message is a line of `terraform test -json`.
type message struct {
	Type string `json:"type"`
	Text string `json:"@message"`
	Run  string `json:"@testrun"`
	Plan Plan   `json:"test_plan"`
	Sum  struct {
		Passed int `json:"passed"`
	} `json:"test_summary"`
	Diagnostic struct {
		Summary string `json:"summary"`
		Detail  string `json:"detail"`
	} `json:"diagnostic"`
}

// Test runs a module's tests. Its error has what failed.
func (tool Tool) Test(ctx context.Context, folder string) error {
	_, err := tool.test(ctx, folder)
	return err
}

// Plans runs them too, and returns the plans of those that plan; with each Terraform prints the whole schema of the providers.
func (tool Tool) Plans(ctx context.Context, folder string) (map[string]Plan, error) {
	return tool.test(ctx, folder, "-verbose")
}

func (tool Tool) test(ctx context.Context, folder string, more ...string) (map[string]Plan, error) {
	out, err := tool.run(ctx, folder, append([]string{"test", "-json"}, more...)...)
	plans, passed := map[string]Plan{}, 0
	var said []string
	lines := bufio.NewScanner(bytes.NewReader([]byte(out)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			said = append(said, lines.Text())
			continue
		}
		switch m.Type {
		case "test_plan":
			plans[m.Run] = m.Plan
		case "test_summary":
			passed = m.Sum.Passed
		case "diagnostic":
			said = append(said, m.Run+": "+m.Diagnostic.Summary+": "+m.Diagnostic.Detail)
		}
	}
	switch {
	case lines.Err() != nil:
		return nil, lines.Err()
	case err != nil:
		return nil, fmt.Errorf("%w\n%s", err, strings.Join(said, "\n"))
	case passed == 0:
		return nil, fmt.Errorf("no test ran in %s", folder)
	}
	return plans, nil
}

// SecondApply is the run in which every module's test plans what it has just applied. Where others of its beginning follow, they do
// so for other variables.
const SecondApply = "a_second_apply_changes_nothing"

// SecondApplies are the plans of all such runs.
func SecondApplies(plans map[string]Plan) map[string]Plan {
	all := map[string]Plan{}
	for name, plan := range plans {
		if strings.HasPrefix(name, "a_second_apply_") {
			all[name] = plan
		}
	}
	return all
}

// Changes names what a plan would change.
func (p Plan) Changes() (all []string) {
	for _, r := range p.Resources {
		if len(r.Change.Actions) != 1 || r.Change.Actions[0] != "no-op" {
			all = append(all, r.Address+": "+strings.Join(r.Change.Actions, ", "))
		}
	}
	return all
}
