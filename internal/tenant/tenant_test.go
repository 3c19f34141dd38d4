package tenant

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

func key(t *testing.T) (line, fingerprint string) {
	t.Helper()
	k, err := envelope.GenerateSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k.Public().AuthorizedLine("someone"), k.Public().Fingerprint()
}

// entryOf is the JSON of a sound entry with extra members.
func entryOf(prefix, store, extra string) string {
	return fmt.Sprintf(`{"prefix":%q,"store":"%s-store","metadata":"%s-metadata"%s}`, prefix, store, store, extra)
}

func file(entries ...string) []byte {
	return []byte(`{"tenants":[` + strings.Join(entries, ",") + `]}`)
}

func sound(t *testing.T, entries ...string) *Set {
	t.Helper()
	s, err := Parse(file(entries...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheLongestPrefixWins(t *testing.T) {
	t.Parallel()
	s := sound(t, entryOf("rmq_", "any", ""), entryOf("rmq_lab_", "lab", ""), entryOf("rmq_lab_gpu", "gpu", ""))
	for queue, want := range map[string]string{
		"rmq_x": "any-store", "rmq_lab": "any-store", "rmq_lab_x": "lab-store",
		"rmq_lab_gpu": "gpu-store", "rmq_lab_gpu2": "gpu-store", "sqs_x": "", "rmq": "", "": "",
	} {
		got, ok := s.Lookup(queue)
		if got.Store != want || ok != (want != "") {
			t.Errorf("Lookup(%q) = %q, %t; want %q", queue, got.Store, ok, want)
		}
	}
}

func TestATenantsBuckets(t *testing.T) {
	t.Parallel()
	tenant, _ := sound(t, entryOf("rmq_", "a", `,"buckets":["shared-data"]`)).Lookup("rmq_x")
	for bucket, want := range map[string][2]bool{
		"a-store": {true, true}, "a-metadata": {true, false}, "shared-data": {true, false}, "b-store": {false, false}, "": {false, false},
	} {
		if got := [2]bool{tenant.MayRead(bucket), tenant.MayWrite(bucket)}; got != want {
			t.Errorf("%q: read, write = %v; want %v", bucket, got, want)
		}
	}
	if (Tenant{}).MayRead("") || (Tenant{}).MayWrite("") {
		t.Error("no tenant may use no bucket")
	}
}

func TestSigningKeysAreParsed(t *testing.T) {
	t.Parallel()
	line, fingerprint := key(t)
	tenant, ok := sound(t, entryOf("rmq_", "a", fmt.Sprintf(`,"signing_keys":[%q]`, line))).Lookup("rmq_x")
	if !ok || len(tenant.SigningKeys) != 1 || tenant.SigningKeys[0].Fingerprint() != fingerprint {
		t.Errorf("Lookup = %+v, %t", tenant, ok)
	}
}

// The queue rmq_lab_x is that of the entry at fault; the entry of rmq_ beside it has no keys.
func TestAnEntryAtFaultRefusesItsPrefixAndSparesTheOthers(t *testing.T) {
	t.Parallel()
	line, _ := key(t)
	keyed := func(member string) string { return fmt.Sprintf(`,%s:[%q]`, member, line) }
	for name, tc := range map[string]struct{ entry, want string }{
		"a key that is none":         {entryOf("rmq_lab_", "lab", `,"signing_keys":["ssh-rsa AAAA"]`), "signing_keys[0]: "},
		"an empty key":               {entryOf("rmq_lab_", "lab", `,"signing_keys":[""]`), "signing_keys[0]: "},
		"keys that are no list":      {entryOf("rmq_lab_", "lab", fmt.Sprintf(`,"signing_keys":%q`, line)), "signing_keys: of another type"},
		"misspelt keys":              {entryOf("rmq_lab_", "lab", keyed(`"signing_key"`)), "signing_key: no such member"},
		"keys in capitals":           {entryOf("rmq_lab_", "lab", keyed(`"Signing_Keys"`)), "Signing_Keys: no such member"},
		"keys twice, then none":      {entryOf("rmq_lab_", "lab", keyed(`"signing_keys"`)+`,"signing_keys":[]`), "signing_keys: twice"},
		"no store":                   {`{"prefix":"rmq_lab_","metadata":"m-1"}`, "store: missing"},
		"no metadata":                {`{"prefix":"rmq_lab_","store":"s-1"}`, "metadata: missing"},
		"a store that is no bucket":  {`{"prefix":"rmq_lab_","store":"gs://s-1","metadata":"m-1"}`, "store: \"gs://s-1\" is not"},
		"a bucket that is none":      {entryOf("rmq_lab_", "lab", `,"buckets":["A/B"]`), "buckets[0]: "},
		"blanks around the prefix":   {entryOf(" rmq_lab_ ", "lab", ""), "prefix: blanks"},
		"two entries of one prefix":  {entryOf("rmq_lab_", "lab", "") + "," + entryOf("rmq_lab_", "lab2", ""), "is that of tenants[2] too"},
		"one store, two record sets": {`{"prefix":"rmq_lab_","store":"s-1","metadata":"m-1"},{"prefix":"rmq_zoo_","store":"s-1","metadata":"m-2"}`, `keeps the records of the same store "s-1" in "m-2"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Parse(file(entryOf("rmq_", "any", ""), tc.entry))
			if err == nil || s == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "tenants[1]") {
				t.Fatalf("Parse = %v, %v; want a set and %q", s, err, tc.want)
			}
			if got, ok := s.Lookup("rmq_lab_x"); ok {
				t.Errorf("the entry at fault gave way to %q", got.Prefix)
			}
			if s.Fault("rmq_lab_x") == nil || s.Fault("rmq_other") != nil {
				t.Errorf("Fault = %v, %v", s.Fault("rmq_lab_x"), s.Fault("rmq_other"))
			}
			if _, ok := s.Lookup("rmq_other"); !ok {
				t.Error("the sound entry does not work")
			}
			for _, store := range []string{"s-1", "lab-store"} {
				if _, ok := s.ByStore(store); ok {
					t.Errorf("ByStore(%s) found the entry at fault", store)
				}
			}
			if got := s.All(); len(got) != 1 {
				t.Errorf("All = %v", got)
			}
		})
	}
}

func TestATooShortPrefixRefusesAllUnderIt(t *testing.T) {
	t.Parallel()
	s, err := Parse(file(entryOf("rmq", "a", ""), entryOf("rmq_", "b", "")))
	if err == nil || s == nil {
		t.Fatalf("Parse = %v, %v", s, err)
	}
	if _, ok := s.Lookup("rmqx"); ok {
		t.Error("a prefix of three characters works")
	}
	if _, ok := s.Lookup("rmq_x"); !ok {
		t.Error("the longer prefix does not work")
	}
}

func TestAFileWithoutReadablePrefixesIsNotUsed(t *testing.T) {
	t.Parallel()
	good := entryOf("rmq_", "any", "")
	for name, data := range map[string][]byte{
		"a misspelt prefix":       file(good, `{"prefx":"rmq_lab_","store":"s-1","metadata":"m-1"}`),
		"a prefix of a number":    file(good, `{"prefix":7,"store":"s-1","metadata":"m-1"}`),
		"an empty prefix":         file(good, entryOf("", "a", "")),
		"a blank in the prefix":   file(good, entryOf("rmq_lab x", "a", "")),
		"a hidden character":      file(good, entryOf("rmq_\u200blab", "a", "")),
		"an entry that is no one": file(good, `"rmq_lab_"`),
		"a null entry":            file(good, "null"),
		"no tenants":              file(),
		"a misspelt list":         []byte(`{"tenant":[]}`),
		"another value":           []byte(`[]`),
		"two values":              append(file(good), file(good)...),
		"nothing":                 nil,
	} {
		if s, err := Parse(data); s != nil || err == nil {
			t.Errorf("%s: Parse = %v, %v", name, s, err)
		}
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse(file(`{"prefix":"rmq_a","store":"X","signing_keys":["x","y"],"more":1}`, entryOf("rmq_b", "b", ""), `{"prefix":"rmq_c"}`))
	if err == nil {
		t.Fatal("Parse accepted it")
	}
	for _, part := range []string{`tenants[0] ("rmq_a")`, "store: ", "metadata: missing", "signing_keys[0]", "signing_keys[1]", "more: no such", `tenants[2] ("rmq_c")`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nlacks %s", err, part)
		}
	}
}

func TestByStoreFindsWhereTheRecordsAre(t *testing.T) {
	t.Parallel()
	s := sound(t, entryOf("rmq_a", "a", ""), entryOf("rmq_a2", "a", ""), `{"prefix":"rmq_one","store":"one-bucket","metadata":"one-bucket"}`)
	for store, want := range map[string]string{"a-store": "a-metadata", "one-bucket": "one-bucket", "a-metadata": "", "": ""} {
		if got, ok := s.ByStore(store); got.Metadata != want || ok != (want != "") {
			t.Errorf("ByStore(%q) = %q, %t", store, got.Metadata, ok)
		}
	}
}

func TestNoSetHasNoTenants(t *testing.T) {
	t.Parallel()
	var s *Set
	if _, ok := s.Lookup("rmq_x"); ok {
		t.Error("Lookup found one")
	}
	if _, ok := s.ByStore("x"); ok || s.All() != nil || s.Fault("rmq_x") != nil {
		t.Error("something was found")
	}
}
