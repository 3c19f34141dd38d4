package fakepubsub

import (
	"context"
	"sync"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
)

// nackPause is the pause in seconds before a refused message comes again; the project's subscriptions have a longer one.
const nackPause = 1

// A flow counts what each stream has delivered and its subscriber has not yet answered.
type flow struct {
	mu          sync.Mutex
	streams     map[string]*stream       // by acknowledgement id
	subscribers map[string]chan struct{} // by subscription; closed when the first stream has begun
}

// subscribed returns the channel of a subscription.
func (f *flow) subscribed(name string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subscribers[name] == nil {
		f.subscribers[name] = make(chan struct{})
	}
	return f.subscribers[name]
}

// unary sees acknowledgements, refusals (deadline 0) and extensions.
func (f *flow) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	var answered []string
	switch r := req.(type) {
	case *pb.AcknowledgeRequest:
		answered = r.AckIds
	case *pb.ModifyAckDeadlineRequest:
		if r.AckDeadlineSeconds == 0 {
			answered = r.AckIds
			r.AckDeadlineSeconds = nackPause
		}
	}
	res, err := next(ctx, req)
	for _, id := range answered {
		f.release(id)
	}
	return res, err
}

func (f *flow) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s := &stream{ServerStream: ss, flow: f, held: map[string]bool{}, room: make(chan struct{}, 1)}
	defer f.forget(s)
	return next(srv, s)
}

func (f *flow) hold(s *stream, ids []string) (full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		f.streams[id] = s
		s.held[id] = true
	}
	return s.limit > 0 && len(s.held) >= s.limit
}

func (f *flow) release(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[id]
	if s == nil {
		return
	}
	delete(f.streams, id)
	delete(s.held, id)
	select {
	case s.room <- struct{}{}:
	default:
	}
}

func (f *flow) begun(subscription string) {
	here := f.subscribed(subscription)
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-here:
	default:
		close(here)
	}
}

func (f *flow) forget(s *stream) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range s.held {
		delete(f.streams, id)
	}
}

// A stream is one subscriber's. The fake's goroutine that sends does nothing else, so that sending may wait.
type stream struct {
	grpc.ServerStream
	flow *flow
	room chan struct{} // filled when a message was answered

	limit int // 0: none; set by the first request, before anything is sent

	sending    sync.Mutex
	properties *pb.StreamingPullResponse_SubscriptionProperties // as last sent

	held map[string]bool // guarded by flow.mu
}

// RecvMsg takes the limit from the first request and answers the subscriber's later signs of life itself: the fake
// does so with all of its state locked, for as long as a full connection makes it wait.
func (s *stream) RecvMsg(m any) error {
	for {
		if err := s.ServerStream.RecvMsg(m); err != nil {
			return err
		}
		req, ok := m.(*pb.StreamingPullRequest)
		if !ok {
			return nil
		}
		if req.Subscription != "" {
			s.limit = max(0, int(req.MaxOutstandingMessages))
			s.flow.begun(req.Subscription)
			return nil
		}
		if len(req.AckIds)+len(req.ModifyDeadlineAckIds) > 0 {
			return nil
		}
		if err := s.send(s.pong()); err != nil {
			return err
		}
	}
}

// SendMsg returns when the subscriber has room for the next message, so that the fake takes none out of its queue that cannot be sent.
func (s *stream) SendMsg(m any) error {
	res, ok := m.(*pb.StreamingPullResponse)
	if !ok {
		return s.send(m)
	}
	ids := make([]string, 0, len(res.ReceivedMessages))
	for _, received := range res.ReceivedMessages {
		ids = append(ids, received.AckId)
	}
	full := s.flow.hold(s, ids)
	if err := s.send(m); err != nil {
		return err
	}
	for full {
		select {
		case <-s.room:
			full = s.flow.hold(s, nil)
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
	return nil
}

// pong repeats the subscription's properties, which the fake's own lacks: the client takes their absence for the end of exactly-once
// delivery, and then never answers who waits for an acknowledgement.
func (s *stream) pong() *pb.StreamingPullResponse {
	s.sending.Lock()
	defer s.sending.Unlock()
	return &pb.StreamingPullResponse{SubscriptionProperties: s.properties}
}

func (s *stream) send(m any) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if res, ok := m.(*pb.StreamingPullResponse); ok && res.SubscriptionProperties != nil {
		s.properties = res.SubscriptionProperties
	}
	return s.ServerStream.SendMsg(m)
}
