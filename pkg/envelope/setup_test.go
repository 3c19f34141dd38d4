package envelope

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// goldenKey is the private key of the vectors: the tests' key where any key will do, since making one takes a while.
func goldenKey(tb testing.TB) *PrivateKey {
	tb.Helper()
	return must(ParsePrivateKey(golden(tb, "request_plain.pem"), nil))(tb)
}

// otherKey is of the same size as the golden one.
var otherKey = sync.OnceValue(func() *PrivateKey {
	key, err := GeneratePrivateKey(2048)
	if err != nil {
		panic(err)
	}
	return key
})

func goldenVerifyKey(tb testing.TB) VerifyKey {
	tb.Helper()
	return must(ParseVerifyKey(golden(tb, "signing.pub")))(tb)
}

func goldenSigningKey(tb testing.TB) SigningKey {
	tb.Helper()
	return must(ParseSigningKey(golden(tb, "signing"), nil))(tb)
}

func newSigningKey(tb testing.TB) SigningKey {
	tb.Helper()
	return must(GenerateSigningKey())(tb)
}

// must lets a call that cannot fail in this test stand in an expression.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// keygen runs key-making tools, which must be there, in a fresh folder and returns its path.
func keygen(t *testing.T, commands ...[]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, argv := range commands {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
	}
	return dir
}

func readFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
