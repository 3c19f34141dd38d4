package admission

import (
	"testing"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// The rows of the wire format's table "What to do with a message" that the bytes decide, in its order; below them what
// the bridge must refuse besides.
func TestWhatToDoWithAMessage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		queue   string
		body    func(*cluster) []byte
		noClear bool // CLEAR_TEXT_MESSAGES is not true
		pool    string
		reason  Reason
		report  bool
		detail  string
	}{
		"enveloped, good signature": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte { return c.lab(card) }, pool: "gpu",
		},
		"enveloped, good signature, where clear text is not allowed": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte { return c.lab(small) }, noClear: true, pool: "cpu",
		},
		"enveloped, no fingerprint": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte { return c.edit(c.lab(small), "fingerprint", nil) }, pool: "cpu",
		},
		"enveloped, no key for the queue's prefix": {
			queue: "rmq_open_1", body: func(c *cluster) []byte { return c.lab(small) },
			reason: NoSigningKey, detail: `no signing key is registered for queues of the prefix "rmq_open"`,
		},
		"enveloped, unsigned": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte {
				return c.seal(small, clearRequest("lab", small), envelope.SigningKey{})
			},
			reason: Unsigned, detail: `sign it with a key that is registered for the prefix "rmq_lab"`,
		},
		"enveloped, bad signature": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte {
				other := struct{ Message struct{ Payload string } }{}
				decode(c.t, c.lab(small), &other)
				return c.edit(c.lab(small), "payload", other.Message.Payload)
			},
			reason: BadSignature, detail: "not made over this payload",
		},
		"enveloped, a signature that is none": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte { return c.edit(c.lab(small), "signature", "?") },
			reason: BadSignature,
		},
		"enveloped, fingerprint of another key": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte {
				return c.seal(small, clearRequest("lab", small), newSigningKey(c.t))
			},
			reason: WrongKey, detail: "not registered for the prefix",
		},
		"enveloped, another key under the right fingerprint": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte {
				forged := c.seal(small, clearRequest("lab", small), newSigningKey(c.t))
				return c.edit(forged, "fingerprint", c.signing.Public().Fingerprint())
			},
			reason: BadSignature,
		},
		"clear, and a signing key exists for its prefix": {
			queue: "rmq_lab_1", body: clearOf("lab", small),
			reason: ClearRefused, detail: `queues of the prefix "rmq_lab" take sealed and signed requests only`,
		},
		"clear, CLEAR_TEXT_MESSAGES not true": {
			queue: "rmq_open_1", body: clearOf("open", small), noClear: true,
			reason: ClearRefused, report: true, detail: "CLEAR_TEXT_MESSAGES",
		},
		"clear, allowed, no signing key for the prefix": {
			queue: "rmq_open_1", body: clearOf("open", card), pool: "gpu",
		},
		"clear, and it names no buckets": {
			queue: "rmq_open_1", body: text(`{"experiment":{"key":"exp-1","filename":"x","resources_needed":null}}`), pool: "cpu",
		},

		"a queue of no tenant": {
			queue: "sqs_1", body: clearOf("open", small), reason: UnknownTenant, detail: `queue "sqs_1"`,
		},
		"a queue whose entry is at fault, and a shorter prefix": {
			queue: "rmq_broken_1", body: clearOf("open", small), reason: UnknownTenant, detail: "switched off",
		},
		"clear, not JSON": {
			queue: "rmq_open_1", body: text("hunter2"), reason: Malformed, report: true, detail: "not JSON",
		},
		"clear, a field of another type": {
			queue: "rmq_open_1", body: clearOf("open", `{"ram":"hunter2"}`), reason: Malformed, report: true, detail: "resources_needed.ram",
		},
		"not JSON, and a signing key exists": {
			queue: "rmq_lab_1", body: text("hunter2"), reason: Malformed, detail: "not JSON",
		},
		"an envelope without a usable payload": {
			queue: "rmq_lab_1", body: text(`{"message":{"payload":null}}`), reason: Malformed, detail: "malformed envelope",
		},
		"an envelope beside a request in clear": {
			queue: "rmq_lab_1", body: text(`{"message":{"payload":"hunter2"},"experiment":{"key":"k","filename":"x"}}`), reason: Malformed,
		},
		"a header of another type": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte {
				return c.edit(c.lab(small), "resources_needed", map[string]any{"ram": "hunter2"})
			},
			reason: Malformed, report: true, detail: "the envelope's header: malformed request: resources_needed.ram",
		},
		"a header that no pool holds": {
			queue: "rmq_lab_1", body: func(c *cluster) []byte { return c.lab(huge) },
			reason: NoFit, report: true, detail: "resources_needed.gpus asks for 64 and the largest pool for it, gpu, has 4",
		},
		"clear, and no pool holds it": {
			queue: "rmq_open_1", body: clearOf("open", huge), reason: NoFit, report: true, detail: "the largest pool for it, gpu",
		},
		"clear, storage of another tenant": {
			queue: "rmq_open_1", body: clearOf("lab", small), reason: BucketRefused, report: true,
			detail: `config.storage.bucket names a bucket that queues of the prefix "rmq_open" may not use there: set it to "open-store"`,
		},
		"clear, database of another tenant": {
			queue: "rmq_open_1", body: text(`{"experiment":{"key":"exp-1","filename":"x"},"config":{"database":{"bucket":"lab-metadata"}}}`),
			reason: BucketRefused, report: true, detail: `config.database.bucket`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			c.ClearText = !tc.noClear
			d, err := c.Decide(tc.queue, tc.body(c))
			if tc.reason != "" {
				wantRefusal(t, err, tc.reason, tc.report, tc.detail)
				return
			}
			if err != nil || d.Pool.Name != tc.pool {
				t.Fatalf("Decide = pool %q, %v; want %s", d.Pool.Name, err, tc.pool)
			}
			r, err := c.Open(d, []*envelope.PrivateKey{c.private})
			if err != nil || r.Experiment.Key != "exp-1" || r.Config.Storage.Bucket != d.Tenant.Store {
				t.Errorf("Open = %v, %v", r, err)
			}
		})
	}
}

// The rows of the same table that only decryption decides.
func TestWhatToDoWithASealedRequest(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		header string
		inner  []byte
		reason Reason
		detail string
	}{
		"decrypts to nonsense":                     {small, []byte("hunter2"), Malformed, "the sealed request: malformed request: not JSON"},
		"decrypts to a request at fault":           {small, clearRequest("lab", `{"ram":"hunter2"}`), Malformed, "resources_needed.ram"},
		"header and inner route differently":       {small, clearRequest("lab", card), HeaderMismatch, "asks for pool cpu and the sealed request for pool gpu"},
		"no header resources, inner asks a card":   {`null`, clearRequest("lab", card), HeaderMismatch, ""},
		"inner fits no pool":                       {card, clearRequest("lab", huge), NoFit, "resources_needed.gpus"},
		"inner names another tenant's storage":     {small, clearRequest("open", small), BucketRefused, `set it to "lab-store"`},
		"inner does not say whose it is":           {small, clearRequestIn(small, `{}`), BucketRefused, "must name config.storage.bucket and config.database.bucket"},
		"inner names its record's bucket alone":    {small, clearRequestIn(small, `{"database":{"bucket":"lab-metadata"}}`), BucketRefused, "set both"},
		"header and inner differ, but route alike": {`{"cpus":1}`, clearRequest("lab", `{"cpus":4}`), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := setup(t)
			d, err := c.Decide("rmq_lab_1", c.seal(tc.header, tc.inner, c.signing))
			if err != nil || d.Kind != Sealed || d.Experiment != "" || d.Request != nil {
				t.Fatalf("Decide = %+v, %v", d.Kind, err)
			}
			r, err := c.Open(d, []*envelope.PrivateKey{c.private})
			if tc.reason == "" {
				if err != nil || r.Experiment.Key != "exp-1" {
					t.Errorf("Open = %v, %v", r, err)
				}
				return
			}
			if known := tc.reason != Malformed; (r != nil) != known || known && r.Experiment.Key != "exp-1" {
				t.Errorf("Open = %v; want the request, if it can be read, to tell its sender of", r)
			}
			wantRefusal(t, err, tc.reason, true, tc.detail)
		})
	}
}

func TestARequestSealedForAnotherClusterIsRefusedWithAReport(t *testing.T) {
	t.Parallel()
	c := setup(t)
	d, err := c.Decide("rmq_lab_1", c.lab(small))
	if err != nil {
		t.Fatal(err)
	}
	other, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]*envelope.PrivateKey{{other}, nil} {
		_, err = c.Open(d, keys)
		wantRefusal(t, err, Undecryptable, true, "the cluster's current public key")
	}
	if r, err := c.Open(d, []*envelope.PrivateKey{other, c.private}); err != nil || r == nil {
		t.Errorf("with both keys: %v", err)
	}
}

func TestARefusalInClearStillSaysWhichExperiment(t *testing.T) {
	t.Parallel()
	c := setup(t)
	for name, body := range map[string][]byte{
		"no fit":        clearRequest("open", huge),
		"another store": clearRequest("lab", small),
	} {
		if d, err := c.Decide("rmq_open_1", body); err == nil || d.Experiment != "exp-1" || d.Tenant.Prefix != "rmq_open" {
			t.Errorf("%s: %q, %v", name, d.Experiment, err)
		}
	}
	c.ClearText = false
	if d, err := c.Decide("rmq_open_1", clearRequest("open", small)); err == nil || d.Experiment != "exp-1" {
		t.Errorf("clear text refused: %q, %v", d.Experiment, err)
	}
}
