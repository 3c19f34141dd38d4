//go:build integration

package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/leaf-ai/studio-cloud-runner/internal/message"
)

// wrapped is a Pub/Sub message as it is posted, by a push subscription and in an event of Eventarc alike.
func wrapped(t *testing.T, n int) string {
	t.Helper()
	b := message.Reports{Queue: queue, Attempt: "a", Executor: "e", Reports: []message.Report{{ID: fmt.Sprint("a/", n), Kind: message.StateReport, Body: "QUI=,QUJD"}}}
	data, err := b.Data()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"message":{"attributes":{"queue":%q,"attempt":"a"},"data":%q,"messageId":"%d","message_id":"%d","orderingKey":"a",
	  "publishTime":"2026-01-02T03:04:05.678Z","publish_time":"2026-01-02T03:04:05.678Z"},"subscription":"projects/p/subscriptions/studio-reports"}`,
		queue, base64.StdEncoding.EncodeToString(data), n, n)
}

// deliver posts until the program listens.
func (b *bridge) deliver(t *testing.T, body string, headers map[string]string) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.address+"projects/p/topics/studio-reports", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = response.Body.Close()
			return response.StatusCode
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestReportTakesWhatPushSubscriptionsAndEventarcPost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	response := queue + "_response"
	_, declared := s.channel.QueueDeclare(response, true, false, false, false, nil)
	if err := errors.Join(declared, s.channel.ExchangeDeclare("StudioML.topic", amqp.ExchangeTopic, true, true, false, false, nil),
		s.channel.QueueBind(response, "StudioML."+response, "StudioML.topic", false, nil)); err != nil {
		t.Fatal(err)
	}
	b := s.start("FUNCTION_TARGET=Report")
	event := map[string]string{
		"Ce-Id": "2", "Ce-Specversion": "1.0", "Ce-Type": "google.cloud.pubsub.topic.v1.messagePublished",
		"Ce-Source": "//pubsub.googleapis.com/projects/p/topics/studio-reports", "Ce-Time": "2026-01-02T03:04:05.678Z",
	}
	codes := []int{
		b.deliver(t, wrapped(t, 1), nil), b.deliver(t, wrapped(t, 2), event),
		b.deliver(t, `{"message":{"data":"c2VjcmV0","messageId":"3"},"subscription":"projects/p/subscriptions/s"}`, nil), // no batch
	}
	for i, code := range codes {
		if code/100 != 2 {
			t.Errorf("post %d is answered %d", i, code)
		}
	}
	for n := 1; n <= 2; n++ {
		m, ok, err := s.channel.Get(response, true)
		if err != nil || !ok || m.MessageId != fmt.Sprint("a/", n) {
			t.Errorf("report %d is %q, %v, %v", n, m.MessageId, ok, err)
		}
	}
	if err := s.broker.Kill(); err != nil {
		t.Fatal(err)
	}
	if code := b.deliver(t, wrapped(t, 4), nil); code/100 != 5 {
		t.Errorf("without RabbitMQ a batch is answered %d; want it to come again", code)
	}
	if err := b.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}
