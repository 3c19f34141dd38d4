package mounted

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAChangeIsSeenWithinTenSeconds(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	s := open(t, file)
	write(t, file, "2")
	s.elapsed += recheck - 1
	if got := s.Get().content; got != "a=1" {
		t.Errorf("looked at too early: %s", got)
	}
	s.elapsed++
	if got := s.Get().content; got != "a=2" || s.elapsed > promise {
		t.Errorf("after %s: %s", s.elapsed, got)
	}
}

func TestAChangeOfEqualSizeAndTimeIsSeen(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	s := open(t, file)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "2")
	if err := os.Chtimes(file, before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	if got := s.later(); got != "a=2" {
		t.Error(got)
	}
}

func TestFilesThatComeAndGoAreSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b"), "1")
	write(t, filepath.Join(dir, ".hidden"), "no")
	s := open(t, dir)
	write(t, filepath.Join(dir, "a"), "2")
	if got := s.later(); got != "a=2 b=1" {
		t.Errorf("added: %s", got)
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if got := s.later(); got != "a=2" || len(s.faults) > 0 {
		t.Errorf("removed: %s, %v", got, s.faults)
	}
}

func TestAFaultIsReportedOncePerVersionAndTheLastGoodValueStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	write(t, file, "1")
	s := open(t, dir)
	for i, content := range []string{"broken", "broken", "broken again"} {
		write(t, file, content)
		for range 2 {
			if got := s.later(); got != "a=1" || len(s.faults) != (i+2)/2 {
				t.Fatalf("%q: %s, %v", content, got, s.faults)
			}
		}
	}
	if !strings.Contains(s.faults[0], file) {
		t.Errorf("%q does not name %s", s.faults[0], file)
	}
	write(t, file, "2")
	if got := s.later(); got != "a=2" || len(s.faults) != 2 {
		t.Errorf("mended: %s, %v", got, s.faults)
	}
}

func TestTheLastGoodValueStaysWhileThePlaceIsAway(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), "1")
	s := open(t, dir)
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.later(); got != "a=1" || len(s.faults) != 1 {
			t.Errorf("away: %s, %v", got, s.faults)
		}
	}
}

func TestOpenNeedsAValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open([]string{filepath.Join(dir, "none")}, build); err == nil {
		t.Error("no file, no error")
	}
	write(t, filepath.Join(dir, "a"), "broken")
	if _, err := Open([]string{dir}, build); err == nil {
		t.Error("a broken file, no error")
	}
}

func TestWhatIsNoFileOfSettingsIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(largest + 1); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero")); err != nil {
		t.Fatal(err)
	}
	places, _, err := read([]string{dir})
	if err != nil || len(places[0].Files) != 3 {
		t.Fatalf("read = %v, %v", places, err)
	}
	for _, f := range places[0].Files {
		if f.Err == nil || !strings.Contains(f.Err.Error(), f.Path) || f.Data != nil {
			t.Errorf("%s: %v", f.Name, f.Err)
		}
	}
}

// One delivery tries the passphrases; the others must not wait for it, unless what they would get is too old.
func TestOthersGoOnWhileOneLooks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		s, err := Open([]string{file}, func(places []Place, last *text) (*text, error) {
			if last != nil {
				<-slow
			}
			return build(places, last)
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, file, "2")
		time.Sleep(recheck)
		first, late := make(chan string, 1), make(chan string, 1)
		go func() { first <- s.Get().content }()
		synctest.Wait()
		if got := s.Get().content; got != "a=1" {
			t.Errorf("the one beside it got %s", got)
		}
		time.Sleep(promise - recheck)
		go func() { late <- s.Get().content }()
		close(slow)
		if one, two := <-first, <-late; one != "a=2" || two != "a=2" {
			t.Errorf("the one that looked got %s, the one ten seconds later %s", one, two)
		}
	})
}
