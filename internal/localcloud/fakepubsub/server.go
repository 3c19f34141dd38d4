package fakepubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// maxRequest is the service's limit for one publish request, 10 MB, and what its encoding adds.
const maxRequest = 11 << 20

// forgetEvery is how often the payloads of published messages are dropped.
const forgetEvery = 10 * time.Second

// A Server is a running fake. Everything in it is gone after [Server.Close].
type Server struct {
	Addr string // host and port, as PUBSUB_EMULATOR_HOST has it

	fake  *pstest.Server
	flow  *flow
	grpc  *grpc.Server
	tasks sync.WaitGroup
	stop  chan struct{}
	close func() error
}

// Start serves on a free port of loopback.
func Start(ctx context.Context) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start Pub/Sub: %w", err)
	}
	clock := &clock{}
	fake := pstest.NewServerWithAddress("127.0.0.1:0", pstest.ServerReactorOption{FuncName: "Publish", Reactor: clock})
	fake.SetTimeNowFunc(clock.now)
	flow := &flow{streams: map[string]*stream{}, subscribers: map[string]chan struct{}{}}
	s := &Server{
		Addr: listener.Addr().String(),
		fake: fake,
		flow: flow,
		grpc: grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest), grpc.MaxSendMsgSize(maxRequest),
			grpc.UnaryInterceptor(flow.unary), grpc.StreamInterceptor(flow.stream)),
		stop: make(chan struct{}),
	}
	s.close = sync.OnceValue(s.shutdown)
	pb.RegisterPublisherServer(s.grpc, &fake.GServer)
	pb.RegisterSubscriberServer(s.grpc, &fake.GServer)
	served := make(chan error, 1)
	s.tasks.Go(func() { served <- s.grpc.Serve(listener) })
	s.tasks.Go(s.forget)
	return s, nil
}

// Close ends all streams and the server. Closing twice is harmless.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	close(s.stop)
	s.grpc.Stop()
	err := s.fake.Close()
	s.fake.Wait()
	s.tasks.Wait()
	return err
}

// Options connect a client of any of the library's services. The connection is the caller's to close.
func (s *Server) Options() (option.ClientOption, io.Closer, error) {
	conn, err := grpc.NewClient(s.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to Pub/Sub: %w", err)
	}
	return option.WithGRPCConn(conn), conn, nil
}

// Subscribed returns a channel that is closed when a first subscriber of the subscription has come.
func (s *Server) Subscribed(project, name string) <-chan struct{} {
	return s.flow.subscribed(subscriptionName(project, name))
}

// A Subscription is one to be made.
type Subscription struct {
	Name, Topic     string
	DeadLetterTopic string // none: delivery attempts are not counted
	Ordered         bool
}

// Create makes topics, then exactly-once subscriptions, in a project. What exists already stays.
func (s *Server) Create(ctx context.Context, project string, topics []string, subscriptions []Subscription) error {
	var errs []error
	for _, name := range topics {
		_, err := s.fake.GServer.CreateTopic(ctx, &pb.Topic{Name: topicName(project, name)})
		errs = append(errs, made("topic", name, err))
	}
	for _, sub := range subscriptions {
		_, err := s.fake.GServer.CreateSubscription(ctx, sub.proto(project))
		errs = append(errs, made("subscription", sub.Name, err))
	}
	return errors.Join(errs...)
}

func (sub Subscription) proto(project string) *pb.Subscription {
	p := &pb.Subscription{
		Name:                      subscriptionName(project, sub.Name),
		Topic:                     topicName(project, sub.Topic),
		AckDeadlineSeconds:        60,
		EnableMessageOrdering:     sub.Ordered,
		EnableExactlyOnceDelivery: true,
	}
	if sub.DeadLetterTopic != "" {
		p.DeadLetterPolicy = &pb.DeadLetterPolicy{
			DeadLetterTopic:     topicName(project, sub.DeadLetterTopic),
			MaxDeliveryAttempts: 1 << 30, // never: see the package's comment
		}
	}
	return p
}

func subscriptionName(project, name string) string {
	return "projects/" + project + "/subscriptions/" + name
}

func topicName(project, name string) string { return "projects/" + project + "/topics/" + name }

// forget drops the payloads that the fake keeps for tests to look at; what is still to be delivered it keeps elsewhere.
func (s *Server) forget() {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			for _, m := range s.fake.Messages() {
				m.Data, m.Attributes, m.Modacks = nil, nil, nil
			}
		}
	}
}
