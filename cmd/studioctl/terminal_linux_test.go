package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/storage"
	"github.com/sethvargo/go-envconfig"
	"golang.org/x/sys/unix"
	"google.golang.org/api/option"

	"github.com/leaf-ai/studio-cloud-runner/internal/event"
	"github.com/leaf-ai/studio-cloud-runner/internal/localcloud/fakegcs"
)

// terminal is a pseudo-terminal and what was written to it.
type terminal struct {
	*os.File
	t        *testing.T
	keyboard io.Writer
	text     chan string
}

// newTerminal opens a terminal of a width.
// https://man7.org/linux/man-pages/man7/pty.7.html
func newTerminal(t *testing.T, width uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(file.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
		t.Fatal(err)
	}
	it := &terminal{File: file, t: t, keyboard: master, text: make(chan string, 1)}
	go func() {
		var all bytes.Buffer
		_, _ = io.Copy(&all, master) // ends with EIO once the other side is closed
		_ = master.Close()
		it.text <- strings.ReplaceAll(all.String(), "\r\n", "\n")
	}()
	return it
}

// read closes the terminal and returns what it showed.
func (it *terminal) read() string {
	it.t.Helper()
	if err := it.Close(); err != nil {
		it.t.Fatal(err)
	}
	return <-it.text
}

const (
	clientKey = "1795468025_d8f8138b-945a-43f7-a7a4-bf5307fc0e2"
	record    = `{"status":"%s","filename":"train.py","args":["--epochs","10"],"time_added":1795468025,"time_started":1795468030,"time_finished":1795468130,
		"cloud":{"outcome":"%s","reason":"The program ended with exit code 1. What it printed above says why; mend it and submit the experiment again.",
		"attempt":"27943ff0-1","attempts":[{"id":"27943ff0-1","executor":"gpu-t4-0","pool":"gpu-t4-spot","started":"2026-11-23T21:07:10Z"}]}}`
)

// cluster is a deployment whose storage holds two experiments that began in the same second, and one that its user named.
func cluster(t *testing.T) map[string]string {
	t.Helper()
	fake, err := fakegcs.Start(t.Context(), []string{"s", "m"}, unnoticed{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := storage.NewClient(t.Context(), option.WithEndpoint(fake.URL+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(objects.Close(), fake.Close()); err != nil {
			t.Error(err)
		}
	})
	put := func(bucket, name, content string) {
		w := objects.Bucket(bucket).Object(name).NewWriter(t.Context())
		_, err := io.WriteString(w, content)
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	put("m", "experiments/"+clientKey+"8", fmt.Sprintf(record, "finished", "completed"))
	put("m", "experiments/"+clientKey+"9", fmt.Sprintf(record, "finished", "failed"))
	put("m", "experiments/mine", `{"status":"waiting","time_added":1795468025}`)
	put("s", "experiments/mine/modeldir.tar", "")
	return map[string]string{
		"HOME": t.TempDir(), "GOOGLE_CLOUD_PROJECT": "p", "STUDIO_STORE": "s", "STUDIO_METADATA": "m", "STORAGE_EMULATOR_HOST": fake.URL,
	}
}

// unnoticed takes notifications for nobody.
type unnoticed struct{}

func (unnoticed) Notify(context.Context, fakegcs.Notification) error { return nil }

func TestNothingBreaksOnATerminalOfEightyColumns(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	for _, args := range [][]string{{"ps"}, {"show", clientKey + "9"}, {"get", "mine"}, {"context", "list"}} {
		out := newTerminal(t, 80)
		if code := run(t.Context(), args, envconfig.MapLookuper(with(env, "NO_COLOR", "1")), out, io.Discard); code != 0 {
			t.Errorf("studioctl %v = %d", args, code)
		}
		text := out.read()
		for line := range strings.SplitSeq(text, "\n") {
			if utf8.RuneCountInString(line) > 80 {
				t.Errorf("studioctl %v breaks a line:\n%s", args, line)
			}
		}
		if strings.Contains(text, "\x1b") || len(text) < 20 {
			t.Errorf("studioctl %v with NO_COLOR shows:\n%q", args, text)
		}
	}
}

func TestAWideTerminalAndAFileShowWholeKeys(t *testing.T) {
	t.Parallel()
	env := envconfig.MapLookuper(cluster(t))
	out := newTerminal(t, 200)
	var file bytes.Buffer
	if code := run(t.Context(), []string{"ps"}, env, out, io.Discard) + run(t.Context(), []string{"ps"}, env, &file, io.Discard); code != 0 {
		t.Fatal("ps fails")
	}
	for _, text := range []string{out.read(), file.String()} {
		if !strings.Contains(text, clientKey+"8") || !strings.Contains(text, clientKey+"9") {
			t.Errorf("keys are cut:\n%s", text)
		}
	}
}

func TestShownBeginningsOfKeysFindTheirExperiments(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	out := newTerminal(t, 60)
	if code := run(t.Context(), []string{"ps"}, envconfig.MapLookuper(with(env, "NO_COLOR", "1")), out, io.Discard); code != 0 {
		t.Fatal("ps fails")
	}
	lines := strings.Split(strings.TrimSpace(out.read()), "\n")[1:]
	if len(lines) != 3 {
		t.Fatalf("ps shows %q", lines)
	}
	for _, line := range lines {
		key, _, _ := strings.Cut(line, " ")
		u := user{t, env}
		if shown := u.must("show", key); !strings.HasPrefix(shown, key) {
			t.Errorf("show %s shows:\n%s", key, shown)
		}
	}
	code, _, errOut := user{t, env}.run("stop", "1795468025")
	if code != 1 || !strings.Contains(errOut, clientKey+"8\n  "+clientKey+"9") {
		t.Errorf("an ambiguous beginning = %d, %s", code, errOut)
	}
}

func TestColoursAreForTerminalsWhoseUsersWantThem(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	for name, tc := range map[string]struct {
		variable, text string
		coloured       bool
	}{
		"a terminal": {coloured: true},
		"NO_COLOR":   {variable: "NO_COLOR", text: "1"},
		"TERM=dumb":  {variable: "TERM", text: "dumb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newTerminal(t, 80)
			if code := run(t.Context(), []string{"ps"}, envconfig.MapLookuper(with(env, tc.variable, tc.text)), out, io.Discard); code != 0 {
				t.Fatal("ps fails")
			}
			if text := out.read(); strings.Contains(text, "\x1b[32mcompleted\x1b[0m") != tc.coloured || strings.Contains(text, "\x1b[31mfailed") != tc.coloured {
				t.Errorf("coloured = %t is wrong:\n%q", !tc.coloured, text)
			}
		})
	}
	if out := (user{t, env}).must("ps"); strings.Contains(out, "\x1b") {
		t.Errorf("a file is coloured: %q", out)
	}
}

func TestProgressComesAfterASecondOnATerminalAndIsErased(t *testing.T) {
	t.Parallel()
	show := func(env map[string]string, out io.Writer, begin time.Time) *progress {
		a := &app{env: envconfig.MapLookuper(env), errOut: out}
		p := a.progress("uploading")
		p.mu.Lock()
		p.began = begin
		p.mu.Unlock()
		p.bytes("uploading the workspace, whose name is long", 5_000_000, 10_000_000)
		time.Sleep(4 * redraw)
		p.end()
		p.end()
		return p
	}
	long := time.Now().Add(-3 * time.Second)
	out := newTerminal(t, 50)
	show(nil, out, long)
	if text := out.read(); !strings.Contains(text, "uploading the workspace") || !strings.HasSuffix(text, erase) || strings.Contains(text, "\n") {
		t.Errorf("progress = %q", text)
	}
	var file bytes.Buffer
	show(nil, &file, long)
	early, dumb := newTerminal(t, 80), newTerminal(t, 80)
	show(nil, early, time.Now())
	show(map[string]string{"TERM": "dumb"}, dumb, long)
	if text := file.String() + early.read() + dumb.read(); text != "" {
		t.Errorf("progress where there is to be none: %q", text)
	}
}

func TestShowTellsHowItStandsWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	out := (user{t, env}).must("show", clientKey+"9")
	for _, part := range []string{"failed", "The program ended with exit code 1.", "train.py --epochs 10", "gpu-t4-spot", "\n  studioctl logs " + clientKey + "9\n"} {
		if !strings.Contains(out, part) {
			t.Errorf("show lacks %q:\n%s", part, out)
		}
	}
	if out := (user{t, env}).must("status", "mine", "--json"); !strings.Contains(out, `"record":{`) || !strings.Contains(out, `"label":"modeldir"`) {
		t.Errorf("show --json = %s", out)
	}
}

func TestTheShellIsOfferedKeysLabelsAndContexts(t *testing.T) {
	t.Parallel()
	env := cluster(t)
	(user{t, env}).must("context", "set", "team", "--queue", "rmq_team")
	for want, args := range map[string][]string{
		"mine\n":          {"logs", "m"},
		clientKey + "8\n": {"show", "17"},
		"modeldir\n":      {"get", "mine", ""},
		"local\nteam\n":   {"context", "use", ""},
		"local\nteam\n:4": {"ps", "--context", ""},
	} {
		if out := (user{t, env}).must(append([]string{"__complete"}, args...)...); !strings.Contains(out, want) {
			t.Errorf("completion of %q offers %q; want %q", args, out, want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out := (user{t, env}).must("completion", shell); !strings.Contains(out, "__complete") {
			t.Errorf("completion %s prints no script", shell)
		}
	}
}

func TestTheShellDoesNotWaitForAStorageThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent := newSilent(t)
	u := newUser(t, map[string]string{"STUDIO_STORE": "s", "STUDIO_METADATA": "m", "STORAGE_EMULATOR_HOST": silent})
	began := time.Now()
	out := u.must("__complete", "logs", "")
	if took := time.Since(began); took < completionWait || took > 3*completionWait || strings.TrimSpace(out) != ":4" {
		t.Errorf("completion took %s and offered %q", took, out)
	}
}

// newSilent is the address of a service that takes connections and never answers.
func newSilent(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

func TestLinesAreBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one two three four five six":      "one two three four\nfive six",
		"short\n  kept as it is":           "short\n  kept as it is",
		"aWordThatIsLongerThanALine ends":  "aWordThatIsLongerThanALine\nends",
		"  aWordThatIsLongerThanALineEven": "  aWordThatIsLongerThanALineEven",
		"ünï ünï ünï ünï ünï ünï":          "ünï ünï ünï ünï ünï\nünï",
	} {
		if got := wrap(text, 20); got != want {
			t.Errorf("wrap(%q) = %q; want %q", text, got, want)
		}
	}
	if long := strings.Repeat("word ", 50); wrap(long, 0) != long {
		t.Error("what is no terminal has broken lines")
	}
}

func TestAMissingArtifactIsAnsweredWithThoseThatThereAre(t *testing.T) {
	t.Parallel()
	u := user{t, cluster(t)}
	if code, _, errOut := u.run("get", "mine", "model"); code != 1 || !strings.Contains(errOut, `no artifact "model" stored: it has modeldir`) {
		t.Errorf("get mine model = %d: %s", code, errOut)
	}
}

func TestAnEventsWordsStayInTheirColumn(t *testing.T) {
	t.Parallel()
	e := event.Event{Type: event.Refused, Data: event.Data{MessageID: "0123456789", Reason: "no_fit", Detail: strings.Repeat("word ", 30)}}
	lines := strings.Split(eventLine(e, screen{terminal: true, width: 80}), "\n")
	for i, line := range lines {
		if len(line) > 80 || i > 0 && !strings.HasPrefix(line, strings.Repeat(" ", 40)+"word") {
			t.Errorf("line %d is %q", i, line)
		}
	}
	if len(lines) < 3 || strings.Contains(eventLine(e, screen{}), "\n") {
		t.Errorf("%d lines on a terminal; want several there, and one elsewhere", len(lines))
	}
}
