package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
)

// Prefix begins the names of the objects that the doctor writes; no hop acts on them.
const Prefix = "studio-doctor/"

// stored connects to Cloud Storage for one question.
func (d Deployment) stored(ctx context.Context, bucket string, ask func(*storage.BucketHandle) Finding) Finding {
	c, err := d.Storage(ctx)
	if err != nil {
		return d.unanswered("Cloud Storage", err)
	}
	defer func() { _ = c.Close() }() // nothing depends on it
	return ask(c.Bucket(bucket))
}

// bucket writes an object, reads it and deletes it: the rights that clients need, by using them.
func (d Deployment) bucket(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.stored(ctx, name, func(b *storage.BucketHandle) Finding {
			if err := tryObject(ctx, b.Object(Prefix+rand.Text())); err != nil {
				return fail(err, d.nextBucket(err, name))
			}
			return pass("an object was written, read and deleted")
		})
	}
}

func tryObject(ctx context.Context, o *storage.ObjectHandle) (err error) {
	if err := write(ctx, o); err != nil {
		return err
	}
	defer func() {
		// Also where the time is over: nothing of the check is to stay.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if deleteErr := o.Delete(ctx); deleteErr != nil {
			err = errors.Join(err, fmt.Errorf("delete the object %s: %w", o.ObjectName(), deleteErr))
		}
	}()
	r, err := o.NewReader(ctx)
	if err != nil {
		return fmt.Errorf("read an object: %w", err)
	}
	defer func() { _ = r.Close() }() // nothing depends on it
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err == nil && string(text) != o.ObjectName() {
		err = errors.New("it holds another text than was written")
	}
	if err != nil {
		return fmt.Errorf("read an object: %w", err)
	}
	return nil
}

func write(ctx context.Context, o *storage.ObjectHandle) error {
	w := o.NewWriter(ctx)
	_, err := io.WriteString(w, o.ObjectName())
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("write an object: %w", err)
	}
	return nil
}

func (d Deployment) nextBucket(err error, bucket string) string {
	answer := (*googleapi.Error)(nil)
	switch {
	case errors.Is(err, storage.ErrBucketNotExist), errors.As(err, &answer) && answer.Code == http.StatusNotFound:
		return "mend the bucket's name (`studioctl context show`), or " + d.mend()
	case errors.As(err, &answer) && (answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized):
		return "let who signed in here use it: gcloud storage buckets add-iam-policy-binding gs://" + bucket + " --role roles/storage.objectUser --member …"
	}
	return "see with `studioctl context show` whether the address is right, and whether the service is up and its network open from here"
}

// readable reads of a bucket that executors may only read for a tenant. Who looks need not be one who may.
func (d Deployment) readable(name string) func(context.Context) Finding {
	return func(ctx context.Context) Finding {
		return d.stored(ctx, name, func(b *storage.BucketHandle) Finding {
			found, err := readOne(ctx, b)
			answer := (*googleapi.Error)(nil)
			switch {
			case errors.As(err, &answer) && (answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized):
				return notHere(fmt.Sprintf("who signed in here may not read it, and whether executors may is not seen: %v", err),
					"see whether the executors' account has roles/storage.objectViewer: gcloud storage buckets get-iam-policy gs://"+name)
			case err != nil:
				return fail(err, "mend the bucket's name among the tenants' buckets, or leave it out and run `terraform apply`")
			case !found:
				return pass("it may be listed, by who signed in here, and is empty")
			}
			return pass("its objects may be listed and read, by who signed in here")
		})
	}
}

// readOne reads the beginning of a bucket's first object, and tells whether there is one.
func readOne(ctx context.Context, b *storage.BucketHandle) (found bool, err error) {
	first, err := b.Objects(ctx, nil).Next()
	if errors.Is(err, iterator.Done) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list the objects: %w", err)
	}
	r, err := b.Object(first.Name).NewReader(ctx)
	if err != nil {
		return true, fmt.Errorf("read the object %s: %w", first.Name, err)
	}
	defer func() { _ = r.Close() }() // nothing depends on it
	if _, err := io.CopyN(io.Discard, r, 1); err != nil && !errors.Is(err, io.EOF) {
		return true, fmt.Errorf("read the object %s: %w", first.Name, err)
	}
	return true, nil
}
