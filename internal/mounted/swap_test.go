package mounted

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// version is one of two sets that differ in all of their files, and in which files there are.
func version(n int) map[string]string {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("rmq_%02d", i)] = fmt.Sprint(n)
	}
	files[fmt.Sprintf("only_%d", n)] = fmt.Sprint(n)
	return files
}

// While a mount goes from one version to the other and back without a pause, no reading mixes them, by the folder or by files.
func TestNoReadingMixesTheVersionsOfAMount(t *testing.T) {
	t.Parallel()
	m := newMount(t, version(0))
	stop, swapped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 1; ; n = 1 - n {
			select {
			case <-stop:
				swapped <- nil
				return
			default:
			}
			if err := m.swap(version(n)); err != nil {
				swapped <- err
				return
			}
		}
	}()
	var files []string
	for i := range 20 {
		files = append(files, filepath.Join(m.dir, fmt.Sprintf("rmq_%02d", i)))
	}
	var readers sync.WaitGroup
	for _, paths := range [][]string{{m.dir}, files, {m.dir}} {
		readers.Go(func() { readUnmixed(t, paths) })
	}
	readers.Wait()
	close(stop)
	if err := <-swapped; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d versions", m.versions)
}

// readUnmixed reads until both versions were seen often enough.
func readUnmixed(t *testing.T, paths []string) {
	t.Helper()
	seen := map[string]int{}
	for began := time.Now(); min(seen["0"], seen["1"]) < 50; {
		if time.Since(began) > time.Minute {
			t.Errorf("in a minute: %v", seen)
			return
		}
		places, _, err := read(paths)
		if err != nil {
			continue // it says so, and is asked again
		}
		content := map[string]bool{}
		n := 0
		for _, p := range places {
			for _, f := range p.Files {
				if f.Err != nil {
					t.Errorf("%s: %v", f.Path, f.Err)
					return
				}
				if only, is := strings.CutPrefix(f.Name, "only_"); is && only != string(f.Data) {
					t.Errorf("%s holds %s", f.Name, f.Data)
				}
				content[string(f.Data)] = true
				n++
			}
		}
		want := 21
		if len(paths) > 1 {
			want = 20
		}
		if len(content) != 1 || n != want {
			t.Errorf("a reading has %d files with the contents %v", n, content)
			return
		}
		for c := range content {
			seen[c]++
		}
	}
}

func TestAMountsNextVersionIsSeen(t *testing.T) {
	t.Parallel()
	m := newMount(t, map[string]string{"rmq_a": "1", "info": "x"})
	folder, file := open(t, m.dir), open(t, filepath.Join(m.dir, "rmq_a"))
	if err := m.swap(map[string]string{"rmq_a": "2", "rmq_b": "3"}); err != nil {
		t.Fatal(err)
	}
	if got := folder.later(); got != "rmq_a=2 rmq_b=3" {
		t.Errorf("the folder has %s", got)
	}
	if got := file.later(); got != "rmq_a=2" {
		t.Errorf("the file has %s", got)
	}
}

func TestWhatKeepsChangingIsReportedOnceAndTheLastValueStays(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a")
	write(t, file, "1")
	s := open(t, file)
	write(t, file, "2")
	s.read = func([]string) ([]Place, [sha256.Size]byte, error) {
		return nil, [sha256.Size]byte{}, errors.New("no rest")
	}
	for range 2 {
		if got := s.later(); got != "a=1" || len(s.faults) != 1 {
			t.Errorf("%s, %v", got, s.faults)
		}
	}
	s.read = read
	if got := s.Get().content; got != "a=2" { // not only after the next pause
		t.Errorf("at rest: %s", got)
	}
}
