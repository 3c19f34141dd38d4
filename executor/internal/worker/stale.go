package worker

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keptFor is how long the folder of an attempt whose results could not be stored is sure to stay, for people to look at.
const keptFor = time.Hour

// removeStale removes folders of attempts that do not run any more, until there is enough room: those that an earlier executor
// left here, and those that were kept for long enough.
func (w *Worker) removeStale(dev uint64, enough func() bool) {
	entries, _ := os.ReadDir(w.WorkDir) // first: who is not there yet is not taken for one that has ended
	running := map[string]bool{}
	for _, r := range w.running.all() {
		running[r.a.root()] = true
	}
	for _, e := range entries {
		root := filepath.Join(w.WorkDir, e.Name())
		if running[root] || !isAttempt(root) || !liesOn(root, dev) {
			continue
		}
		since, kept := w.running.keptSince(root)
		if kept && w.Now().Sub(since) < keptFor {
			continue
		}
		if enough() {
			return
		}
		w.Log.Warn("disk is nearly full and the folder of an attempt that has ended is removed", "folder", root, "kept", kept)
		if err := os.RemoveAll(root); err != nil {
			w.Log.Warn("folder of an attempt that has ended is not removed", "folder", root, "error", err)
		}
	}
}

// isAttempt tells what makeFolder made from what else may lie in the work folder.
func isAttempt(root string) bool {
	tree, err := os.Lstat((&folder{root: root}).tree())
	return err == nil && tree.IsDir() && strings.Contains(filepath.Base(root), ".")
}
