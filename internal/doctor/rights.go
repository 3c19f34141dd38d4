package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/leaf-ai/studio-cloud-runner/internal/pool"
)

// policy is what IAM tells of a resource.
type policy struct {
	Bindings []struct {
		Role    string
		Members []string
	}
}

// grants tells whether the member has one of the roles.
func (p policy) grants(member string, roles ...string) bool {
	for _, b := range p.Bindings {
		if slices.Contains(roles, b.Role) && slices.Contains(b.Members, member) {
			return true
		}
	}
	return false
}

// letterRights looks whether Pub/Sub's own account may forward what is given up: where it may not, a policy of dead letters is
// there, and does nothing. https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions
func (d Deployment) letterRights(ctx context.Context) Finding {
	if d.local() {
		return notHere("the local cloud's Pub/Sub knows no rights", "")
	}
	var of struct{ ProjectNumber string }
	if err := d.get(ctx, "cloudresourcemanager", "/v1/projects/"+d.Project, nil, &of); err != nil {
		return d.unseen("the project's number", err)
	}
	agent := "serviceAccount:service-" + of.ProjectNumber + "@gcp-sa-pubsub.iam.gserviceaccount.com"
	var lacking []string
	look := func(kind, name, role string) error {
		var p policy
		err := d.get(ctx, "pubsub", "/v1/projects/"+d.Project+"/"+kind+"/"+name+":getIamPolicy", nil, &p)
		if err == nil && !p.grants(agent, role, "roles/pubsub.editor", "roles/pubsub.admin") {
			lacking = append(lacking, role+" on "+strings.TrimSuffix(kind, "s")+" "+name)
		}
		return err
	}
	err := look("topics", deadLetters, "roles/pubsub.publisher")
	for _, p := range d.Pools {
		err = errors.Join(err, look("subscriptions", pool.Topic(p.Name), "roles/pubsub.subscriber"))
	}
	switch {
	case err != nil:
		return d.unseen("policies of dead letters", err)
	case len(lacking) > 0:
		return d.lacking(ctx, agent, lacking)
	}
	return pass("Pub/Sub's account may forward what is given up")
}

// lacking looks whether the project's own policy makes up for what policies of its resources lack.
func (d Deployment) lacking(ctx context.Context, agent string, lacking []string) Finding {
	says := fmt.Sprintf("Pub/Sub's account %s lacks %s: what is given up comes again for ever", strings.TrimPrefix(agent, "serviceAccount:"), strings.Join(lacking, ", "))
	var p policy
	err := d.post(ctx, "cloudresourcemanager", "/v1/projects/"+d.Project+":getIamPolicy", &p)
	broad := p.grants(agent, "roles/pubsub.editor", "roles/pubsub.admin", "roles/editor", "roles/owner") ||
		p.grants(agent, "roles/pubsub.publisher") && p.grants(agent, "roles/pubsub.subscriber")
	switch {
	case err != nil:
		return Finding{Warn, fmt.Sprintf("%s, unless the project grants it, which is not seen: %v", says, err), d.mend()}
	case broad:
		return pass("Pub/Sub's account may forward what is given up: the project grants it")
	}
	return Finding{Fail, says, d.mend()}
}

func (d Deployment) unseen(what string, err error) Finding {
	if code(err) == codes.PermissionDenied {
		return notHere(fmt.Sprintf("%s: %v", what, err), "sign in as somebody who sees policies: roles/iam.securityReviewer on the project")
	}
	return d.unanswered(what, err)
}
