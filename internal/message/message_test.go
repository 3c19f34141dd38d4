package message

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func relayed() Relayed {
	data := []byte(`{"experiment":{}}`)
	return Relayed{
		Queue: "rmq_test", Pool: "gpu-t4", Kind: Clear, Experiment: "1530054412_x", MessageID: ID(data),
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		RelayedAt:   time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), Data: data,
	}
}

func equal(a, b Relayed) bool {
	return maps.Equal(a.Attributes(), b.Attributes()) && bytes.Equal(a.Data, b.Data)
}

func TestARelayedRequestSurvivesTheWay(t *testing.T) {
	t.Parallel()
	want := relayed()
	got, err := FromAttributes(want.Attributes(), want.Data)
	if err != nil || !equal(got, want) || !got.RelayedAt.Equal(want.RelayedAt) {
		t.Errorf("FromAttributes = %+v, %v; want %+v", got, err, want)
	}
}

func TestTheAttributesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	sealed := relayed()
	sealed.Kind, sealed.Experiment, sealed.MessageID = Sealed, "", ""
	want := map[string]string{
		"queue": "rmq_test", "pool": "gpu-t4", "kind": "sealed", "relayed_at": "2026-01-02T03:04:05.678Z",
		"message_id": ID(sealed.Data), "traceparent": sealed.TraceParent,
	}
	if got := sealed.Attributes(); !maps.Equal(got, want) {
		t.Errorf("Attributes = %v; want %v", got, want)
	}
}

func TestTheIDIsTheSHA256OfTheData(t *testing.T) {
	t.Parallel()
	if got := ID([]byte("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("ID = %s", got)
	}
}

func TestWhatBreaksTheContractIsInvalid(t *testing.T) {
	t.Parallel()
	tests := map[string]func(attributes map[string]string){
		"no queue":         func(a map[string]string) { delete(a, "queue") },
		"no pool":          func(a map[string]string) { delete(a, "pool") },
		"no identity":      func(a map[string]string) { delete(a, "message_id") },
		"foreign identity": func(a map[string]string) { a["message_id"] = ID(nil) },
		"unknown kind":     func(a map[string]string) { a["kind"] = "open" },
		"no time":          func(a map[string]string) { delete(a, "relayed_at") },
		"unreadable time":  func(a map[string]string) { a["relayed_at"] = "yesterday" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attributes := relayed().Attributes()
			spoil(attributes)
			if got, err := FromAttributes(attributes, relayed().Data); !errors.Is(err, ErrInvalid) {
				t.Errorf("FromAttributes = %+v, %v; want ErrInvalid", got, err)
			}
		})
	}
}

func TestNoAttributeExceedsWhatPubSubTakes(t *testing.T) {
	t.Parallel()
	d := DeadLetter{Relayed: relayed(), Reason: "malformed", Stage: Bridge, Detail: strings.Repeat("é", 1000) + "\xff"}
	d.Queue = "rmq_\xff" + strings.Repeat("q", 2000)
	for name, value := range d.Attributes() {
		if len(value) > 1024 || !utf8.ValidString(value) {
			t.Errorf("attribute %s has %d bytes, valid UTF-8: %v", name, len(value), utf8.ValidString(value))
		}
	}
	if got := len(d.Attributes()["detail"]); got != 1024 {
		t.Errorf("detail was cut to %d bytes; want 1024", got)
	}
	d.Detail = "x" + d.Detail
	if got := len(d.Attributes()["detail"]); got != 1023 {
		t.Errorf("detail was cut to %d bytes; want 1023, between runes", got)
	}
}

func TestADeadLetterIsReplayableAsItIs(t *testing.T) {
	t.Parallel()
	d := DeadLetter{Relayed: relayed(), Reason: "attempts_exhausted", Detail: "Five attempts failed.", Stage: Executor}
	again, err := FromAttributes(d.Attributes(), d.Data)
	if err != nil || !equal(again, d.Relayed) {
		t.Errorf("FromAttributes = %+v, %v; want the request", again, err)
	}
	back, err := DeadLetterFrom(d.Attributes(), d.Data)
	if err != nil || back.Reason != d.Reason || back.Detail != d.Detail || back.Stage != d.Stage || !equal(back.Relayed, d.Relayed) {
		t.Errorf("DeadLetterFrom = %+v, %v; want %+v", back, err, d)
	}
}

func TestADeadLetterNeedsNoPool(t *testing.T) {
	t.Parallel()
	d := DeadLetter{Relayed: relayed(), Reason: "malformed", Stage: Bridge}
	d.Pool, d.Kind, d.Experiment = "", "", ""
	if got, err := DeadLetterFrom(d.Attributes(), d.Data); err != nil || got.Reason != "malformed" {
		t.Errorf("DeadLetterFrom = %+v, %v", got, err)
	}
}

func TestPartsJoinInAnyOrder(t *testing.T) {
	t.Parallel()
	d := DeadLetter{Relayed: relayed(), Reason: "too_large", Stage: Bridge}
	parts := d.split(5)
	if len(parts) != 4 {
		t.Fatalf("%d bytes gave %d parts of 5; want 4", len(d.Data), len(parts))
	}
	for i, part := range parts {
		read, err := DeadLetterFrom(part.Attributes(), part.Data)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = read
	}
	whole, err := Join(parts[3], parts[0], parts[2], parts[1], parts[1])
	if err != nil || !equal(whole.Relayed, d.Relayed) || whole.Parts != 0 {
		t.Errorf("Join = %+v, %v; want %+v", whole, err, d)
	}
}

func TestPartsDoNotJoin(t *testing.T) {
	t.Parallel()
	d := DeadLetter{Relayed: relayed()}
	parts := d.split(5)
	foreign := parts[1]
	foreign.Data = []byte("XXXXX")
	for name, set := range map[string][]DeadLetter{
		"none": nil, "one absent": {parts[0], parts[1], parts[3]}, "one foreign": {parts[0], foreign, parts[2], parts[3]},
	} {
		if got, err := Join(set...); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Join = %+v, %v; want ErrInvalid", name, got, err)
		}
	}
}

func TestImpossiblePartsAreInvalid(t *testing.T) {
	t.Parallel()
	for _, numbers := range [][2]string{{"0", "2"}, {"3", "2"}, {"x", "2"}, {"", "2"}} {
		attributes := relayed().Attributes()
		attributes["part"], attributes["parts"] = numbers[0], numbers[1]
		if _, err := DeadLetterFrom(attributes, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("part %s of %s: %v; want ErrInvalid", numbers[0], numbers[1], err)
		}
	}
}
