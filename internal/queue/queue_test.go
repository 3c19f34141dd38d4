package queue

import (
	"regexp"
	"strings"
	"testing"
)

func TestAQueueIsReadOrItIsSaidWhyNot(t *testing.T) {
	t.Parallel()
	own := Filter{Match: regexp.MustCompile("^lab_"), Mismatch: regexp.MustCompile("_old$")}
	for name, tc := range map[string]struct {
		filter Filter
		queue  string
		says   string
	}{
		"read":              {filter: Default(), queue: "rmq_test"},
		"read by its owner": {filter: own, queue: "lab_1"},
		"of others":         {filter: Default(), queue: "sqs_test", says: "queues begin with rmq_"},
		"of reports":        {filter: Default(), queue: "rmq_test_response", says: "carry reports"},
		"not its owner's":   {filter: own, queue: "rmq_test", says: "reads those that match ^lab_"},
		"vetoed":            {filter: own, queue: "lab_old", says: "leaves out those that match _old$"},
		"vetoed by default": {filter: Filter{Match: Default().Match, Mismatch: own.Mismatch}, queue: "rmq_old", says: "leaves out those that match _old$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.filter.Check(tc.queue)
			if (err == nil) != (tc.says == "") || tc.filter.Wants(tc.queue) != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Check(%q) = %v; want %q", tc.queue, err, tc.says)
			}
		})
	}
}
