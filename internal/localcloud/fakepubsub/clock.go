package fakepubsub

import (
	"fmt"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// retention is how long an unacknowledged message is kept: seven days, as the service does unless told otherwise.
const retention = 7 * 24 * time.Hour

// A clock makes the fake keep messages for the service's retention instead of ten minutes, a constant of its own, after which an
// experiment's message would be lost with the executor that ran it: messages are stamped with the true time, and everything else
// happens a week earlier. The fake calls both methods with its lock held.
type clock struct{ stamps int }

// React is called before the messages of a publish request are stamped, each with one call of now.
func (c *clock) React(req any) (handled bool, ret any, err error) {
	c.stamps = 0
	if publish, ok := req.(*pb.PublishRequest); ok {
		c.stamps = len(publish.Messages)
	}
	return false, nil, nil
}

func (c *clock) now() time.Time {
	if c.stamps > 0 {
		c.stamps--
		return time.Now()
	}
	return time.Now().Add(-retention)
}

// made treats a thing that exists already as made.
func made(kind, name string, err error) error {
	if err == nil || status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return fmt.Errorf("make %s %s: %w", kind, name, err)
}
