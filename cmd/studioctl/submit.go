package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leaf-ai/studio-cloud-runner/internal/client"
	"github.com/leaf-ai/studio-cloud-runner/internal/queue"
	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
	"github.com/leaf-ai/studio-cloud-runner/pkg/request"
)

// submitFlags are the options of submit, named as `studio run` names them where it has them.
type submitFlags struct {
	queue, key, python, requirements, requestKey, signingKey string
	gpus, cpus                                               int
	gpuMem, ram, hdd                                         string
	maxDuration, lifetime, saveEvery                         time.Duration
	env                                                      map[string]string
	sealed, follow                                           bool
}

func newSubmit(a *app) *cobra.Command {
	var f submitFlags
	cmd := &cobra.Command{
		Use:   "submit FILE.py [flags] [-- ARG...]",
		Short: "Submit a script with its folder as the workspace", GroupID: groupExperiments, SuggestFor: []string{"run", "create"},
		Long: `Submit stores the folder of the script as the workspace, writes the experiment's
record and puts the request into the queue, exactly as "studio run" does. Python
packages come from requirements.txt beside the script, unless --requirements
names another file. What stands after -- goes to the program.

"studioctl explain" with the same arguments tells beforehand what would happen.`,
		Example: `  studioctl submit train.py --queue rmq_test --gpus 1 -- --epochs 10
  studioctl submit train.py -f --max-duration 20m --lifetime 30m
  studioctl submit train.py --sealed`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return a.submit(cmd.Context(), f, args[0], args[1:]) },
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "follow the output, as it is saved (--save-every), until the experiment has ended; exit 3 if it does not complete")
	return cmd
}

// register makes the flags that say what to submit.
func (f *submitFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.queue, "queue", "", "queue to submit to; its name begins with rmq_ (default rmq_test, or the local cloud's sealed queue with --sealed)")
	flags.StringVarP(&f.key, "experiment", "e", "", "name of the experiment (default: made up from the time)")
	flags.StringVar(&f.python, "python", "3", "Python version, such as 3.11")
	flags.StringVar(&f.requirements, "requirements", "", "file of pip requirements (default: requirements.txt beside the script)")
	flags.IntVar(&f.gpus, "gpus", 0, "GPU slots")
	flags.IntVar(&f.cpus, "cpus", 1, "CPUs")
	flags.StringVar(&f.gpuMem, "gpu-mem", "", "memory of a GPU, such as 4gb")
	flags.StringVar(&f.ram, "ram", "1gb", "memory")
	flags.StringVar(&f.hdd, "hdd", "1gb", "disk")
	flags.DurationVar(&f.maxDuration, "max-duration", 0, "end the program after this time")
	flags.DurationVar(&f.lifetime, "lifetime", 0, "end, or do not start, the experiment this long after its submission")
	flags.DurationVar(&f.saveEvery, "save-every", time.Minute, "how often output and artifacts are saved while it runs")
	flags.StringToStringVar(&f.env, "env", nil, "environment variables, NAME=VALUE")
	flags.BoolVar(&f.sealed, "sealed", false, "encrypt and sign the request, with the local cloud's keys or the two below")
	flags.StringVar(&f.requestKey, "request-key", "", "file of the cluster's public key to encrypt with")
	flags.StringVar(&f.signingKey, "signing-key", "", "file of the private Ed25519 key to sign with")
}

func (a *app) submit(ctx context.Context, f submitFlags, script string, args []string) error {
	state, err := a.deployment()
	if err != nil {
		return err
	}
	s, err := f.submission(state, script, args)
	if err != nil {
		return err
	}
	if state, err = a.dialable(state); err != nil {
		return err
	}
	c, err := client.New(ctx, state.Deployment)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // nothing is left to be written
	following, refused, stop := ctx, (*refusals)(nil), func() {}
	if f.follow {
		following, refused, stop = a.watchRefusals(ctx, state)
	}
	defer stop()
	submitting := a.progress("submitting " + s.Script)
	c.Progress = submitting.bytes
	submitted, err := c.Submit(ctx, s)
	submitting.end()
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(submitted)
	} else {
		a.say("Submitted %s to %s. Follow it with: studioctl logs -f %s", submitted.Key, submitted.Queue, submitted.Key)
	}
	if err != nil || !f.follow {
		return err
	}
	refused.want(submitted.MessageID)
	return a.follow(following, c, submitted.Key)
}

// submission checks what can be checked here, so that nothing is stored for a request that would be refused.
func (f submitFlags) submission(state target, script string, args []string) (client.Submission, error) {
	s, err := f.described(state, script, args)
	if err != nil {
		return s, err
	}
	if err := queue.Default().Check(s.Queue); err != nil {
		return s, &exitError{code: exitUsage, err: err}
	}
	return s, nil
}

// described is what the flags ask for.
func (f submitFlags) described(state target, script string, args []string) (client.Submission, error) {
	info, err := os.Stat(script)
	if err != nil || info.IsDir() {
		return client.Submission{}, &exitError{code: exitUsage, err: fmt.Errorf("the script %s is not a file that can be read", script)}
	}
	s := client.Submission{
		Queue: f.queue, Key: f.key, Folder: filepath.Dir(script), Script: filepath.Base(script), Args: args,
		PythonVersion: f.python, MaxDuration: f.maxDuration, Lifetime: f.lifetime, SaveEvery: f.saveEvery, Env: f.env,
		Resources: map[string]any{"cpus": f.cpus, "gpus": f.gpus, "ram": f.ram, "hdd": f.hdd},
	}
	if f.gpuMem != "" {
		s.Resources["gpuMem"] = f.gpuMem
	}
	if s.Seal, err = f.seal(state); err != nil {
		return s, err
	}
	if s.Queue == "" && s.Seal != nil {
		s.Queue = state.SealedQueue
	}
	s.Queue = cmp.Or(s.Queue, state.Queue, "rmq_test")
	if s.Key != "" {
		if err := request.ValidKey(s.Key); err != nil {
			return s, &exitError{code: exitUsage, err: fmt.Errorf("the experiment's name %q: %w", s.Key, err)}
		}
	}
	s.Requirements, err = readRequirements(f.requirements, s.Folder)
	return s, err
}

// seal reads the keys of a sealed submission; nil for one in clear.
func (f submitFlags) seal(state target) (*client.Seal, error) {
	requestKey, signingKey := f.requestKey, f.signingKey
	if !f.sealed && requestKey == "" && signingKey == "" {
		return nil, nil
	}
	if requestKey == "" && signingKey == "" {
		requestKey, signingKey = state.RequestKey, state.SigningKey
	}
	if requestKey == "" || signingKey == "" {
		return nil, &exitError{code: exitUsage, err: errors.New("a sealed request needs both --request-key and --signing-key")}
	}
	text, err := os.ReadFile(requestKey) //nolint:gosec // the user's own flag
	if err != nil {
		return nil, fmt.Errorf("read the request key: %w", err)
	}
	to, err := envelope.ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("read the request key %s: %w", requestKey, err)
	}
	if text, err = os.ReadFile(signingKey); err != nil { //nolint:gosec // the user's own flag
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	sign, err := envelope.ParseSigningKey(text, nil)
	if err != nil {
		return nil, fmt.Errorf("read the signing key %s: %w", signingKey, err)
	}
	return &client.Seal{To: to, Sign: sign}, nil
}

// readRequirements reads pip requirements, one to a line; without a named file, requirements.txt if there is one.
func readRequirements(file, folder string) ([]string, error) {
	named := file != ""
	if !named {
		file = filepath.Join(folder, "requirements.txt")
	}
	f, err := os.Open(file) //nolint:gosec // the user's own flag
	if !named && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the requirements: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	var list []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), " #")
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the requirements %s: %w", file, err)
	}
	return list, nil
}
