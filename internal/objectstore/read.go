// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Info is what a store tells of one version. A lock counts only in mode COMPLIANCE: any other can be lifted.
type Info struct {
	VersionID string
	// Size in bytes.
	Size int64
	Lock Lock
	// LockMode and LockedUntil are what the store shows, whatever the mode; empty when it shows no lock.
	LockMode    string
	LockedUntil time.Time
}

// Object is the content of one version.
type Object struct {
	io.ReadCloser
	VersionID string
}

// Get streams the current version of an object. The error has ClassNotFound when there is none. Reading fails when the
// store sends nothing for the client's timeout.
func (c *Client) Get(ctx context.Context, key string) (*Object, error) {
	return c.GetVersion(ctx, key, "")
}

// GetVersion is Get of one version; of the current one when versionID is empty.
func (c *Client) GetVersion(ctx context.Context, key, versionID string) (*Object, error) {
	ctx, cancel := context.WithCancel(ctx)
	watchdog := time.AfterFunc(c.config.Timeout, cancel)
	output, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &c.config.Bucket, Key: &key, VersionId: optional(versionID)})
	if err != nil {
		watchdog.Stop()
		cancel()
		return nil, c.wrap("reading "+key, err)
	}
	return &Object{
		ReadCloser: &body{client: c, key: key, content: output.Body, watchdog: watchdog, cancel: cancel},
		VersionID:  aws.ToString(output.VersionId),
	}, nil
}

// Stat gives what the store tells of one version, or of the current one when versionID is empty, without its content.
// It is how locks are read: the Versity gateway does not show them with the content.
func (c *Client) Stat(ctx context.Context, key, versionID string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	output, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.config.Bucket, Key: &key, VersionId: optional(versionID)})
	if err != nil {
		return Info{}, c.wrap("looking at "+key, err)
	}
	return Info{
		VersionID: aws.ToString(output.VersionId), Size: aws.ToInt64(output.ContentLength),
		Lock:     lockOf(output.ObjectLockMode, output.ObjectLockRetainUntilDate),
		LockMode: string(output.ObjectLockMode), LockedUntil: aws.ToTime(output.ObjectLockRetainUntilDate),
	}, nil
}

func lockOf(mode types.ObjectLockMode, until *time.Time) Lock {
	if mode != types.ObjectLockModeCompliance {
		return Lock{}
	}
	return Lock{Until: aws.ToTime(until)}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// body is the stream of an object with a timeout per read instead of one for the whole.
type body struct {
	client   *Client
	key      string
	content  io.ReadCloser
	watchdog *time.Timer
	cancel   context.CancelFunc
}

func (b *body) Read(p []byte) (int, error) {
	b.watchdog.Reset(b.client.config.Timeout)
	n, err := b.content.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF itself
		err = b.client.wrap("reading "+b.key, err)
	}
	return n, err
}

func (b *body) Close() error {
	b.watchdog.Stop()
	b.cancel()
	return b.content.Close()
}

// Version is one version of an object, or a delete marker.
type Version struct {
	Key       string
	VersionID string
	// Size in bytes; 0 for a delete marker.
	Size         int64
	LastModified time.Time
	// Latest means it is what a reader of the key meets.
	Latest bool
	// DeleteMarker hides older versions, which are still there.
	DeleteMarker bool
}

// ListVersions calls visit once with every version and delete marker under prefix, one request per page. Versions of
// one page come before its delete markers. An error of visit ends the listing and is returned as it is.
func (c *Client) ListVersions(ctx context.Context, prefix string, visit func(Version) error) error {
	input := &s3.ListObjectVersionsInput{Bucket: &c.config.Bucket, Prefix: &prefix}
	if c.config.PageSize > 0 {
		input.MaxKeys = aws.Int32(c.config.PageSize)
	}
	type identity struct{ key, version string }
	var previous map[identity]bool
	for {
		page, err := c.page(ctx, input)
		if err != nil {
			return err
		}
		// Markers exclude what they name; the Versity gateway (1.8.0) includes it, so a page may repeat the last one.
		seen := make(map[identity]bool, len(page.Versions)+len(page.DeleteMarkers))
		fresh := false
		for _, v := range pageVersions(page) {
			id := identity{v.Key, v.VersionID}
			seen[id] = true
			if previous[id] {
				continue
			}
			fresh = true
			if err := visit(v); err != nil {
				return err
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		if !fresh {
			return c.wrap("listing versions", errors.New("the store gives the same page again and again"))
		}
		previous, input.KeyMarker, input.VersionIdMarker = seen, page.NextKeyMarker, page.NextVersionIdMarker
	}
}

func pageVersions(page *s3.ListObjectVersionsOutput) []Version {
	versions := make([]Version, 0, len(page.Versions)+len(page.DeleteMarkers))
	for i := range page.Versions {
		v := &page.Versions[i]
		versions = append(versions, Version{
			Key: aws.ToString(v.Key), VersionID: aws.ToString(v.VersionId), Size: aws.ToInt64(v.Size),
			LastModified: aws.ToTime(v.LastModified), Latest: aws.ToBool(v.IsLatest),
		})
	}
	for i := range page.DeleteMarkers {
		m := &page.DeleteMarkers[i]
		versions = append(versions, Version{
			Key: aws.ToString(m.Key), VersionID: aws.ToString(m.VersionId), DeleteMarker: true,
			LastModified: aws.ToTime(m.LastModified), Latest: aws.ToBool(m.IsLatest),
		})
	}
	return versions
}

func (c *Client) page(ctx context.Context, input *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	page, err := c.s3.ListObjectVersions(ctx, input)
	return page, c.wrap("listing versions", err)
}

// DeleteVersion deletes one version, or one delete marker, for good. One that is gone already is no error.
func (c *Client) DeleteVersion(ctx context.Context, key, versionID string) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &c.config.Bucket, Key: &key, VersionId: &versionID})
	if err = c.wrap("deleting a version of "+key, err); err != nil && ClassOf(err) != ClassNotFound {
		return err
	}
	return nil
}

// DeleteAll deletes every version and delete marker under a prefix for good.
func (c *Client) DeleteAll(ctx context.Context, prefix string) error {
	locked, err := c.DeleteUnlocked(ctx, prefix)
	if err == nil && !locked.IsZero() {
		err = &Error{
			Store: c.config.Name, Class: ClassAccessDenied, action: "deleting " + prefix,
			cause: fmt.Errorf("versions are locked until %s", locked.UTC().Format(time.RFC3339)),
		}
	}
	return err
}

// DeleteUnlocked is DeleteAll, but leaves what the store has locked: nobody can delete it, and it goes with its period.
// It gives the moment the last lock ends, zero when nothing is left.
func (c *Client) DeleteUnlocked(ctx context.Context, prefix string) (locked time.Time, err error) {
	// Collected first: deleting while paging lets markers point at what is gone.
	var versions []Version
	if err := c.ListVersions(ctx, prefix, func(v Version) error { versions = append(versions, v); return nil }); err != nil {
		return time.Time{}, err
	}
	for _, v := range versions {
		err := c.DeleteVersion(ctx, v.Key, v.VersionID)
		if err == nil {
			continue
		}
		if ClassOf(err) != ClassAccessDenied || v.DeleteMarker {
			return time.Time{}, err
		}
		info, statErr := c.Stat(ctx, v.Key, v.VersionID)
		if statErr != nil || info.Lock.Until.IsZero() {
			return time.Time{}, errors.Join(err, statErr)
		}
		if info.Lock.Until.After(locked) {
			locked = info.Lock.Until
		}
	}
	return locked, nil
}
