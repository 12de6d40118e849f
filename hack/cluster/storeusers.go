// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/netns"
)

// EnsureStoreUser makes an account in the named store that reaches the objects
// under prefix in the backup bucket and nothing else. The prefix ends with "/".
// Callers that do this for one store at the same time must take turns: a
// bucket's policy is one document.
func (c *Cluster) EnsureStoreUser(ctx context.Context, store, access, secret, prefix string) error {
	if !strings.HasSuffix(prefix, "/") {
		return fmt.Errorf("prefix %q: must end with a slash, or it also reaches longer names", prefix)
	}
	create := []string{"create-user", "--access", access, "--secret", secret, "--role", "user"}
	if err := c.versityAdmin(ctx, store, create...); err != nil {
		// It exists: at most its secret is another.
		if c.versityAdmin(ctx, store, "update-user", "--access", access, "--secret", secret) != nil {
			return err
		}
	}
	client, err := c.S3(store)
	if err != nil {
		return err
	}
	policy, err := readPolicy(ctx, client)
	if err != nil {
		return err
	}
	policy.allow(access, prefix)
	raw, err := json.Marshal(policy)
	if err != nil {
		return err
	}
	_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(backupBucket), Policy: aws.String(string(raw))})
	return err
}

type bucketPolicy struct {
	Version   string
	Statement []policyStatement
}

type policyStatement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string][]string
	Action    []string
	Resource  string
	Condition map[string]map[string][]string `json:",omitempty"`
}

func readPolicy(ctx context.Context, client *s3.Client) (bucketPolicy, error) {
	policy := bucketPolicy{Version: "2012-10-17"}
	out, err := client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(backupBucket)})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchBucketPolicy" {
		return policy, nil
	}
	if err != nil {
		return policy, err
	}
	return policy, json.Unmarshal([]byte(aws.ToString(out.Policy)), &policy)
}

// allow replaces what the policy says about the user.
func (p *bucketPolicy) allow(user, prefix string) {
	p.Statement = slices.DeleteFunc(p.Statement, func(s policyStatement) bool {
		return slices.Equal(s.Principal["AWS"], []string{user})
	})
	principal := map[string][]string{"AWS": {user}}
	p.Statement = append(p.Statement,
		policyStatement{
			Sid: user + "-objects", Effect: "Allow", Principal: principal, Resource: "arn:aws:s3:::" + backupBucket + "/" + prefix + "*",
			Action: []string{
				"s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion",
				"s3:PutObjectRetention", "s3:GetObjectRetention", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
			},
		},
		policyStatement{
			Sid: user + "-list", Effect: "Allow", Principal: principal, Resource: "arn:aws:s3:::" + backupBucket,
			Action:    []string{"s3:ListBucket", "s3:ListBucketVersions"},
			Condition: map[string]map[string][]string{"StringLike": {"s3:prefix": {prefix + "*"}}},
		},
		policyStatement{
			Sid: user + "-read", Effect: "Allow", Principal: principal, Resource: "arn:aws:s3:::" + backupBucket,
			Action: []string{"s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"},
		})
}

// versityAdmin runs the gateway's own administration command inside the
// cluster's network; the host's resolver knows no name of it, hence the address.
func (c *Cluster) versityAdmin(ctx context.Context, store string, args ...string) error {
	i := slices.IndexFunc(c.Spec.Stores, func(s StoreSpec) bool { return s.Name == store })
	if i < 0 {
		return fmt.Errorf("no store %s", store)
	}
	access, err := os.ReadFile(c.accessKey(store))
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(c.secretKey(store))
	if err != nil {
		return err
	}
	root, err := ModuleRoot(ctx)
	if err != nil {
		return err
	}
	bin, err := binaries.Ensure(ctx, root, nil, "versitygw")
	if err != nil {
		return err
	}
	endpoint := "https://" + net.JoinHostPort(storeIP(i), strconv.Itoa(storePort))
	argv := netns.Command(c.id, append([]string{bin["versitygw"], "admin", "--endpoint-url", endpoint}, args...)...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+c.file("ca.crt"),
		"ADMIN_ACCESS_KEY_ID="+string(access), "ADMIN_SECRET_ACCESS_KEY="+string(secret))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("versitygw %s on %s: %w: %s", args[0], store, err, strings.TrimSpace(string(out)))
	}
	return nil
}
