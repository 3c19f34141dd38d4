package tenant

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folders is an open Source of three folders, with a clock to turn.
type folders struct {
	*Source
	t                         *testing.T
	tenants, signing, reports string
	elapsed                   time.Duration
	faults                    []string
}

func newFolders(t *testing.T) *folders {
	t.Helper()
	dir := t.TempDir()
	f := &folders{t: t, tenants: filepath.Join(dir, "tenants"), signing: filepath.Join(dir, "signing"), reports: filepath.Join(dir, "reports")}
	for _, d := range []string{f.tenants, f.signing, f.reports} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	f.put(f.signing, dummy, "dummy")
	f.put(f.reports, dummy, "dummy")
	return f
}

func (f *folders) put(folder, name, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folders) remove(folder, name string) {
	f.t.Helper()
	if err := os.Remove(filepath.Join(folder, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folders) open() error {
	var err error
	f.Source, err = Open(f.tenants, SigningKeys(f.signing), ReportKeys(f.reports),
		Clock(func() time.Time { return time.Unix(0, 0).Add(f.elapsed) }),
		OnFault(func(err error) { f.faults = append(f.faults, err.Error()) }))
	return err
}

// opened opens folders that must be taken.
func (f *folders) opened() *folders {
	f.t.Helper()
	if err := f.open(); err != nil {
		f.t.Fatal(err)
	}
	return f
}

func (f *folders) later() *Set {
	f.elapsed += 10 * time.Second
	return f.Tenants()
}

// owners are the stores of queues: "" for one that is nobody's, "refused" for one whose tenant is at fault.
func owners(s *Set, queues ...string) string {
	var all []string
	for _, queue := range queues {
		t, ok := s.Lookup(queue)
		switch {
		case ok:
			all = append(all, strings.TrimSuffix(t.Store, "-store"))
		case s.Fault(queue) != nil:
			all = append(all, "refused")
		default:
			all = append(all, "")
		}
	}
	return strings.Join(all, " ")
}

// told expects one report, with the parts.
func (f *folders) told(parts ...string) {
	f.t.Helper()
	if len(f.faults) != 1 {
		f.t.Fatalf("reported: %q; want one report", f.faults)
	}
	for _, part := range parts {
		if !strings.Contains(f.faults[0], part) {
			f.t.Errorf("%q lacks %q", f.faults[0], part)
		}
	}
	f.faults = nil
}

func TestAFolderOfTenantsIsOneSet(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "labs.json", string(file(entryOf("rmq_lab", "lab", ""), entryOf("rmq_zoo", "zoo", ""))))
	f.put(f.tenants, "README", "no tenants")
	f.opened()
	if got := owners(f.Tenants(), "rmq_x", "rmq_lab", "rmq_zoo_1"); got != "any lab zoo" || len(f.faults) > 0 {
		t.Errorf("%s, %v", got, f.faults)
	}
	f.remove(f.tenants, "labs.json")
	f.put(f.tenants, "fab.json", string(file(entryOf("rmq_fab", "fab", ""))))
	if got := owners(f.later(), "rmq_x", "rmq_lab", "rmq_fab"); got != "any any fab" || len(f.faults) > 0 {
		t.Errorf("one gone, one added: %s, %v", got, f.faults)
	}
}

func TestABrokenFileKeepsItsLastGoodVersionAndSparesTheOthers(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "labs.json", string(file(entryOf("rmq_lab", "lab", ""))))
	f.opened()
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "new", ""))))
	f.put(f.tenants, "labs.json", `{"tenants":[{"prefix`)
	for range 2 {
		if got := owners(f.later(), "rmq_x", "rmq_lab"); got != "new lab" {
			t.Errorf("%s", got)
		}
	}
	f.told(filepath.Join(f.tenants, "labs.json"), "its last good version is still used")
	f.put(f.tenants, "labs.json", string(file(entryOf("rmq_lab", "lab2", ""))))
	if got := owners(f.later(), "rmq_x", "rmq_lab"); got != "new lab2" || len(f.faults) > 0 {
		t.Errorf("mended: %s, %v", got, f.faults)
	}
}

func TestAFileThatWasNeverGoodRefusesWhatItsTextAndItsNameTell(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "rmq_fab.json", `{"tenants":[{"prefix":"rmq_lab","store":"s","prefix" : "rmq_\u0078",]`)
	f.opened()
	if got := owners(f.Tenants(), "rmq_1", "rmq_lab1", "rmq_fab1", "rmq_x1"); got != "any refused refused refused" {
		t.Error(got)
	}
	f.told(filepath.Join(f.tenants, "rmq_fab.json"))
}

func TestOneBrokenEntryOfAFolderIsNamedWithItsFileAndRefused(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "labs.json", string(file(entryOf("rmq_lab", "lab", `,"signing_keys":["?"]`), entryOf("rmq_zoo", "zoo", ""))))
	f.opened()
	if got := owners(f.Tenants(), "rmq_x", "rmq_lab", "rmq_zoo"); got != "any refused zoo" {
		t.Error(got)
	}
	f.told(filepath.Join(f.tenants, "labs.json") + `: tenants[0] ("rmq_lab"): signing_keys[0]`)
}

func TestFilesThatClaimOnePrefixAreBothRefused(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "lab1.json", string(file(entryOf("rmq_lab", "lab", ""))))
	f.put(f.tenants, "lab2.json", string(file(entryOf("rmq_lab", "lab2", ""))))
	f.opened()
	if got := owners(f.Tenants(), "rmq_x", "rmq_lab"); got != "any refused" {
		t.Error(got)
	}
	f.told("lab1.json: tenants[0]", "is that of "+filepath.Join(f.tenants, "lab2.json")+": tenants[0] too")
	f.remove(f.tenants, "lab1.json")
	if got := owners(f.later(), "rmq_lab"); got != "lab2" {
		t.Errorf("without the other: %s", got)
	}
}

func TestAFolderNeedsOneUsableFileAtTheStartAndKeepsWhatItHadLater(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	for _, content := range []string{"", "{}"} {
		if content != "" {
			f.put(f.tenants, "a.json", content)
		}
		if err := f.open(); err == nil || !strings.Contains(err.Error(), f.tenants) {
			t.Errorf("Open = %v", err)
		}
	}
	f.put(f.tenants, "a.json", string(file(entryOf("rmq_", "any", ""))))
	f.opened()
	f.remove(f.tenants, "a.json")
	if got := owners(f.later(), "rmq_x"); got != "any" {
		t.Errorf("an empty folder: %s", got)
	}
	f.told("no file *.json")
	f.put(f.tenants, "b.json", "{}")
	line, _ := key(t)
	f.put(f.signing, "rmq_x", line)
	if got, _ := f.later().Lookup("rmq_x"); got.Store != "any-store" || len(got.SigningKeys) != 1 {
		t.Errorf("a broken file alone, and a key: %+v", got)
	}
}

func TestKeysThatAreNoFolderAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	for _, path := range []string{filepath.Join(f.signing, "none"), filepath.Join(f.signing, dummy)} {
		for name, option := range map[string]Option{"signing": SigningKeys(path), "reports": ReportKeys(path)} {
			if _, err := Open(f.tenants, option); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s %s: %v", name, path, err)
			}
		}
	}
}

// A set is made of three folders; what is at fault in one changes nothing in the others.
func TestEachFolderIsReadOnWhileAnotherIsAway(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	line, first := key(t)
	f.put(f.signing, "rmq_lab", line)
	f.opened()
	if err := os.Rename(f.signing, f.signing+"2"); err != nil {
		t.Fatal(err)
	}
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "new", ""))))
	got, _ := f.later().Lookup("rmq_lab")
	if got.Store != "new-store" || len(got.SigningKeys) != 1 || got.SigningKeys[0].Fingerprint() != first {
		t.Errorf("%+v", got)
	}
	f.told(f.signing, "still used")
}

func TestFilesOfKeysAreChosenByTheLongestPrefix(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	lines, prints := map[string]string{}, map[string]string{}
	for _, name := range []string{"entry", "same", "exact", "short", "second"} {
		lines[name], prints[name] = key(t)
	}
	f.put(f.tenants, "all.json", string(file(entryOf("rmq_", "any", ""),
		entryOf("rmq_keyed", "keyed", fmt.Sprintf(`,"signing_keys":[%q]`, lines["entry"])), entryOf("rmq_bare", "bare", ""))))
	f.put(f.signing, "rmq_", "# all\n\n"+lines["short"]+"\n"+lines["second"]+"\n")
	f.put(f.signing, "rmq_lab", lines["exact"])
	f.put(f.signing, "rmq_keyed", lines["same"])
	f.put(f.signing, "rmq_keyed_1", lines["exact"])
	s := f.opened().Tenants()
	want := map[string][]string{
		"rmq_x": {"rmq_", "short", "second"}, "rmq_lab": {"rmq_lab", "exact"}, "rmq_lab2": {"rmq_lab", "exact"},
		"rmq_bare_1": {"rmq_", "short", "second"}, "rmq_keyed": {"rmq_keyed", "entry", "same"}, "rmq_keyed_12": {"rmq_keyed_1", "exact"},
	}
	for queue, names := range want {
		got, ok := s.Lookup(queue)
		if !ok || got.SigningPrefix != names[0] || len(got.SigningKeys) != len(names)-1 {
			t.Errorf("%s: %+v; want the keys %v", queue, got, names)
			continue
		}
		for i, name := range names[1:] {
			if got.SigningKeys[i].Fingerprint() != prints[name] {
				t.Errorf("%s: key %d is not %s", queue, i, name)
			}
		}
	}
	// Without a file of its own prefix, an entry's keys are its alone.
	f.remove(f.signing, "rmq_keyed")
	if got, _ := f.later().Lookup("rmq_keyed_2"); len(got.SigningKeys) != 1 || got.SigningKeys[0].Fingerprint() != prints["entry"] {
		t.Errorf("rmq_keyed_2: %+v", got)
	}
	if len(f.faults) > 0 {
		t.Error(f.faults)
	}
}

func TestABrokenFileOfSigningKeysRefusesItsPrefixAndSparesTheOthers(t *testing.T) {
	t.Parallel()
	line, _ := key(t)
	for name, tc := range map[string]struct{ file, content, want string }{
		"no key":            {"rmq_lab", "hunter2", "line 1: "},
		"one of two":        {"rmq_lab", line + "\nhunter2\n", "line 2: "},
		"nothing":           {"rmq_lab", "\n", "no key in it"},
		"another type":      {"rmq_lab", "ssh-rsa AAAA hunter2", "line 1: "},
		"with an extension": {"rmq_lab.pub", line, "name it rmq_lab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolders(t)
			f.put(f.tenants, "all.json", string(file(entryOf("rmq_", "any", ""), entryOf("rmq_la", "la", ""), entryOf("rmq_zoo", "zoo", ""))))
			f.put(f.signing, tc.file, tc.content)
			f.put(f.signing, "rmq_zoo", line)
			f.opened()
			if got := owners(f.Tenants(), "rmq_x", "rmq_lab", "rmq_lab2", "rmq_la2", "rmq_zoo"); got != "any refused refused la zoo" {
				t.Error(got)
			}
			if err := f.Tenants().Fault("rmq_lab2"); err == nil || !strings.Contains(err.Error(), filepath.Join(f.signing, tc.file)) {
				t.Errorf("Fault = %v", err)
			}
			f.told(filepath.Join(f.signing, tc.file)+": ", tc.want)
			f.remove(f.signing, tc.file)
			f.put(f.signing, "rmq_lab", line)
			if got := owners(f.later(), "rmq_lab"); got != "la" || len(f.faults) > 0 {
				t.Errorf("mended: %s, %v", got, f.faults)
			}
		})
	}
}

func TestAFileOfAShortNameRefusesAllUnderIt(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	line, _ := key(t)
	f.put(f.tenants, "all.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.signing, "rmq", line)
	if got := owners(f.opened().Tenants(), "rmq_x"); got != "refused" {
		t.Error(got)
	}
	f.told("shorter than 4")
}

func TestReportsAreSealedWithTheKeyOfTheLongestPrefix(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	pem := func(i int) string { return string(readerOf(t, i).Public().MarshalPEM()) }
	f.put(f.tenants, "all.json", string(file(entryOf("rmq_", "any", ""), entryOf("rmq_lab", "lab", reportKey(readerOf(t, 0))),
		entryOf("rmq_zoo", "zoo", reportKey(readerOf(t, 0))))))
	f.put(f.reports, "rmq_", pem(1))
	f.put(f.reports, "rmq_lab_gpu", pem(2))
	f.put(f.reports, "rmq_one_response", pem(2))
	f.put(f.reports, "rmq_two_", pem(2))
	f.put(f.reports, "rmq_bad", "hunter2")
	f.put(f.reports, "rmq_zoo", pem(1))
	s := f.opened().Tenants()
	for queue, want := range map[string]int{
		"rmq_x_response": 1, "rmq_lab_response": 0, "rmq_lab_gpu_response": 2, "rmq_one_response": 2, "rmq_one_2_response": 1,
		"rmq_two_response": 1, "rmq_two_2_response": 2, "rmq_bad_response": -1, "rmq_zoo_response": -1, "sqs_response": -1,
	} {
		if got := readBy(t, s, queue); got != want {
			t.Errorf("%q is read by %d; want %d", queue, got, want)
		}
	}
	f.told(filepath.Join(f.reports, "rmq_bad")+": ", filepath.Join(f.reports, "rmq_zoo")+": the key of")
	if got := owners(s, "rmq_bad", "rmq_zoo"); got != "any zoo" {
		t.Errorf("a report key at fault stops work: %s", got)
	}
	f.put(f.reports, "rmq_zoo", pem(0))
	f.remove(f.reports, "rmq_bad")
	if got := readBy(t, f.later(), "rmq_zoo_response"); got != 0 || len(f.faults) > 0 {
		t.Errorf("mended: %d, %v", got, f.faults)
	}
}

func TestNothingOfAFilesContentIsReported(t *testing.T) {
	t.Parallel()
	f := newFolders(t)
	f.put(f.tenants, "any.json", string(file(entryOf("rmq_", "any", ""))))
	f.put(f.tenants, "bad.json", `hunter2 {"tenants": "hunter2"}`)
	for folder, names := range maps.All(map[string][]string{f.signing: {"rmq_a", "rmq_b"}, f.reports: {"rmq_c", "rmq_d"}}) {
		f.put(folder, names[0], "hunter2 hunter2 hunter2")
		f.put(folder, names[1], "ssh-ed25519 hunter2 hunter2")
	}
	f.opened()
	if len(f.faults) != 1 || strings.Contains(f.faults[0], "hunter2") {
		t.Errorf("reported: %v", f.faults)
	}
}
