package envelope_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/leaf-ai/studio-cloud-runner/pkg/envelope"
)

// A client seals a request and signs it; the bridge knows who signed it; the executor opens it with the current key or the
// previous one.
func Example() {
	previous, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		log.Fatal(err)
	}
	current, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		log.Fatal(err)
	}
	sender, err := envelope.GenerateSigningKey()
	if err != nil {
		log.Fatal(err)
	}

	header := envelope.Header{Status: "waiting", PythonVer: []byte(`"3.11"`), Lifetime: "30m", Resources: []byte(`{"cpus":1}`)}
	inner := []byte(`{"experiment":{"filename":"train.py"},"config":{}}`)
	body, err := envelope.New(header, inner, previous.Public(), sender)
	if err != nil {
		log.Fatal(err)
	}

	message, err := envelope.Parse(body)
	if err != nil {
		log.Fatal(err)
	}
	if err := message.Verify(sender.Public()); err != nil {
		log.Fatal(err)
	}
	opened, err := message.Open(current, previous)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(message.Header.Lifetime, string(opened))

	stranger, err := envelope.GenerateSigningKey()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(message.Verify(stranger.Public()), envelope.ErrWrongKey), sender)
	// Output:
	// 30m {"experiment":{"filename":"train.py"},"config":{}}
	// true [redacted]
}

// A report is a payload alone: sealed for the experimenter, and not signed.
func ExampleSeal() {
	experimenter, err := envelope.GeneratePrivateKey(2048)
	if err != nil {
		log.Fatal(err)
	}
	payload, err := envelope.Seal([]byte("done"), experimenter.Public())
	if err != nil {
		log.Fatal(err)
	}
	report, err := envelope.Open(payload, experimenter)
	fmt.Println(string(report), err)
	// Output: done <nil>
}
