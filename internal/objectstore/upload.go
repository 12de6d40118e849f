// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// PartSize is the size in bytes of every part but the last: the smallest S3 allows, since parts are our memory.
const PartSize = 5 << 20

// maxParts is S3's own limit; it bounds an object to 48 GiB.
const maxParts = 10000

// Upload writes one object part by part. Nothing of it can be read before Complete has returned nil. It is used by one
// goroutine at a time.
type Upload struct {
	client    *Client
	key       string
	recordKey string
	lock      Lock
	id        string
	versionID string
	parts     []types.CompletedPart
}

// Lock keeps everybody, the store's administrators included, from deleting a version before Until (mode COMPLIANCE).
// The zero Lock locks nothing.
type Lock struct{ Until time.Time }

// mode and until are what S3 is asked for; nothing for the zero Lock.
func (l Lock) mode() types.ObjectLockMode {
	if l.Until.IsZero() {
		return ""
	}
	return types.ObjectLockModeCompliance
}

func (l Lock) until() *time.Time {
	if l.Until.IsZero() {
		return nil
	}
	return &l.Until
}

// NewUpload begins an object. Nothing is sent yet. recordKey, if not empty, is where the store keeps the upload's id
// while it is unfinished (KindUpload); whoever may delete there removes it afterwards (EndUpload).
func (c *Client) NewUpload(key, recordKey string, lock Lock) *Upload {
	return &Upload{client: c, key: key, recordKey: recordKey, lock: lock}
}

// VersionID of the object once Complete has returned nil, as the store tells it.
func (u *Upload) VersionID() string { return u.versionID }

// Part sends the next part: PartSize bytes, or less for the last. The slice is not kept after the call.
func (u *Upload) Part(ctx context.Context, data []byte) error {
	if len(u.parts) == maxParts {
		return fmt.Errorf("store %s: %s is larger than %d parts of %d bytes", u.client.Name(), u.key, maxParts, PartSize)
	}
	if u.id == "" {
		if err := u.begin(ctx); err != nil {
			return err
		}
	}
	number := aws.Int32(int32(len(u.parts) + 1))
	ctx, cancel := context.WithTimeout(ctx, u.client.config.Timeout)
	defer cancel()
	output, err := u.client.s3.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.client.config.Bucket, Key: &u.key, UploadId: &u.id, PartNumber: number, Body: bytes.NewReader(data),
	}, unsignedPayload)
	if err != nil {
		return u.client.wrap("writing "+u.key, err)
	}
	u.parts = append(u.parts, types.CompletedPart{ETag: output.ETag, PartNumber: number})
	return nil
}

// unsignedPayload leaves the content out of the signature, which covers everything else: TLS keeps it whole on its way,
// our own SHA-256 over what is read back says what arrived, and hashing each part once more for each store was the
// dearest thing a backup did.
func unsignedPayload(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// Complete makes the object readable. last is the rest of the object; an object that fits into it takes one request.
func (u *Upload) Complete(ctx context.Context, last []byte) (err error) {
	if u.id == "" {
		u.versionID, err = u.client.PutLocked(ctx, u.key, last, u.lock)
		return err
	}
	if len(last) > 0 {
		if err := u.Part(ctx, last); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, u.client.config.Timeout)
	defer cancel()
	output, err := u.client.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.client.config.Bucket, Key: &u.key, UploadId: &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	if err != nil {
		return u.client.wrap("completing "+u.key, err)
	}
	u.versionID = aws.ToString(output.VersionId)
	return nil
}

// Abort removes what was sent. It is called when Part or Complete failed, or when the producer did; it goes on after
// ctx was cancelled, for that is often why it is called.
func (u *Upload) Abort(ctx context.Context) error {
	if u.id == "" {
		return nil
	}
	return u.client.abort(context.WithoutCancel(ctx), u.key, u.id)
}

func (u *Upload) begin(ctx context.Context) error {
	create, cancel := context.WithTimeout(ctx, u.client.config.Timeout)
	defer cancel()
	output, err := u.client.s3.CreateMultipartUpload(create, &s3.CreateMultipartUploadInput{
		Bucket: &u.client.config.Bucket, Key: &u.key, ContentType: aws.String("application/octet-stream"),
		ObjectLockMode: u.lock.mode(), ObjectLockRetainUntilDate: u.lock.until(),
	})
	if err != nil {
		return u.client.wrap("beginning "+u.key, err)
	}
	u.id = aws.ToString(output.UploadId)
	if u.recordKey == "" {
		return nil
	}
	// Recorded before the first byte of data is sent: what a killed run leaves can be found.
	return u.client.PutBytes(ctx, u.recordKey, []byte(u.id))
}

// From writes all of content, of any length, with the memory of one part. When content fails, nothing is written.
func (u *Upload) From(ctx context.Context, content io.Reader) error {
	buffer := make([]byte, PartSize)
	for {
		n, err := io.ReadFull(content, buffer)
		switch {
		case err == nil:
			err = u.Part(ctx, buffer)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if err = u.Complete(ctx, buffer[:n]); err == nil {
				return nil
			}
		}
		if err != nil {
			return errors.Join(err, u.Abort(ctx))
		}
	}
}

// Put writes all of content, of any length, with the memory of one part. When content fails, nothing is written.
func (c *Client) Put(ctx context.Context, key, recordKey string, content io.Reader) error {
	return c.NewUpload(key, recordKey, Lock{}).From(ctx, content)
}

// PutBytes writes a small object by one request.
func (c *Client) PutBytes(ctx context.Context, key string, content []byte) error {
	_, err := c.PutLocked(ctx, key, content, Lock{})
	return err
}

// PutLocked writes a small object by one request, locked if lock says so, and gives its version id.
func (c *Client) PutLocked(ctx context.Context, key string, content []byte, lock Lock) (versionID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	input := &s3.PutObjectInput{
		Bucket: &c.config.Bucket, Key: &key, Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))),
		ObjectLockMode: lock.mode(), ObjectLockRetainUntilDate: lock.until(),
	}
	if !lock.Until.IsZero() {
		// S3 takes a lock only together with a checksum of the content.
		input.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32c
	}
	output, err := c.s3.PutObject(ctx, input)
	if err != nil {
		return "", c.wrap("writing "+key, err)
	}
	return aws.ToString(output.VersionId), nil
}

func (c *Client) abort(ctx context.Context, key, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &c.config.Bucket, Key: &key, UploadId: &id})
	if err = c.wrap("aborting the upload of "+key, err); err != nil && ClassOf(err) != ClassNotFound {
		return err
	}
	return nil
}

// EndUpload ends the unfinished upload a record names and deletes the record; dumpKey is the object it would have been.
func (c *Client) EndUpload(ctx context.Context, recordKey, dumpKey string) error {
	content, err := c.Get(ctx, recordKey)
	if ClassOf(err) == ClassNotFound && err != nil {
		return c.DeleteAll(ctx, recordKey)
	}
	if err != nil {
		return err
	}
	id, err := io.ReadAll(io.LimitReader(content, 4<<10))
	_ = content.Close()
	if err != nil {
		return c.wrap("reading "+recordKey, err)
	}
	if err := c.abort(ctx, dumpKey, string(id)); err != nil {
		return err
	}
	return c.DeleteAll(ctx, recordKey)
}

// AbortUploads ends every unfinished upload under prefix that was begun before a moment, and gives their number. It
// needs an administrator's identity; tenants end theirs by EndUpload.
func (c *Client) AbortUploads(ctx context.Context, prefix string, before time.Time) (int, error) {
	aborted := 0
	pages := s3.NewListMultipartUploadsPaginator(c.s3, &s3.ListMultipartUploadsInput{Bucket: &c.config.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		request, cancel := context.WithTimeout(ctx, c.config.Timeout)
		page, err := pages.NextPage(request)
		cancel()
		if err != nil {
			return aborted, c.wrap("listing unfinished uploads", err)
		}
		for _, upload := range page.Uploads {
			if upload.Initiated != nil && !upload.Initiated.Before(before) {
				continue
			}
			if err := c.abort(ctx, aws.ToString(upload.Key), aws.ToString(upload.UploadId)); err != nil {
				return aborted, err
			}
			aborted++
		}
	}
	return aborted, nil
}
