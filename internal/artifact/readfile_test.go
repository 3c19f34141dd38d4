package artifact

import (
	"errors"
	"strings"
	"testing"
)

func TestReadFileFindsOneFileOfASmallArchive(t *testing.T) {
	t.Parallel()
	archive := tarOf(t, folder("./"), regular("other.json", "other"), regular("./status.json", "found"))
	for name, data := range map[string][]byte{"tar": archive, "gzip": gzipped(t, archive)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, info, err := ReadFile(t.Context(), stored(data), workspace, "status.json", 64<<10)
			if string(got) != "found" || err != nil {
				t.Errorf("ReadFile = %q, %v", got, err)
			}
			if info.Size != int64(len(data)) {
				t.Errorf("size = %d, want %d", info.Size, len(data))
			}
		})
	}
}

func TestReadFileTellsWhatIsNotThereFromWhatIsNoArchive(t *testing.T) {
	t.Parallel()
	bomb := tarOf(t, regular("status.json", strings.Repeat("0", 1<<20)))
	tests := map[string]struct {
		data   []byte
		absent bool
		reason Reason
	}{
		"no such file":           {data: tarOf(t, regular("a", "b")), absent: true},
		"a folder of the name":   {data: tarOf(t, folder("status.json/")), absent: true},
		"a link of the name":     {data: tarOf(t, symlink("status.json", "a")), absent: true},
		"JSON instead":           {data: []byte(`{"status": "stopped"}`), reason: NotATar},
		"cut short":              {data: tarOf(t, regular("status.json", strings.Repeat("0", 2000)))[:1000], reason: Damaged},
		"too large":              {data: bomb, reason: TooLarge},
		"too large, unpacked":    {data: gzipped(t, bomb), reason: TooLarge},
		"too large before it":    {data: tarOf(t, regular("a", strings.Repeat("0", 1<<20)), regular("status.json", "")), reason: TooLarge},
		"an empty object":        {data: []byte{}, reason: NotATar},
		"an archive of no files": {data: tarOf(t), absent: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ReadFile(t.Context(), stored(tc.data), workspace, "status.json", 64<<10)
			if errors.Is(err, ErrNotExist) != tc.absent || reasonOf(err) != tc.reason || err == nil {
				t.Errorf("ReadFile = %v; want absent %v, reason %q", err, tc.absent, tc.reason)
			}
		})
	}
}

func TestReadFileDoesNotBlameTheArchiveForTheDownload(t *testing.T) {
	t.Parallel()
	down := errors.New("connection reset by peer")
	data := tarOf(t, regular("status.json", strings.Repeat("x", 5000)))
	s := &memoryStore{data: data, size: int64(len(data)), cut: 700, err: down}
	if _, _, err := ReadFile(t.Context(), s, workspace, "status.json", 64<<10); !errors.Is(err, down) || reasonOf(err) != "" {
		t.Errorf("ReadFile = %v; want the fault of the download", err)
	}
}
