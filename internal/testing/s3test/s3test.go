// SPDX-License-Identifier: Apache-2.0

// Package s3test starts real S3 object stores (Versity S3 Gateway over HTTPS, with versions and accounts) for tests.
package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/termintreu/termintreu/hack/programs"
)

// Region is the signing region of every store.
const Region = "us-east-1"

// Bucket is the bucket of every store; versions are on.
const Bucket = "backups"

const startTimeout = 30 * time.Second

// Store is one running store.
type Store struct {
	Name                    string
	Endpoint                string
	Bucket                  string
	CABundle                string
	AdminKeyID, AdminSecret string

	program string
	dir     string
	port    int
	client  *http.Client

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
	output bytes.Buffer
}

// Start starts n stores named store-1…store-n, whose buckets keep versions and can lock objects; they end with the test.
func Start(tb testing.TB, n int) []*Store {
	tb.Helper()
	return start(tb, n, true)
}

// StartUnlocked is Start of stores whose buckets keep versions and cannot lock objects, for tests that move a clock:
// locks end by the stores' own.
func StartUnlocked(tb testing.TB, n int) []*Store {
	tb.Helper()
	return start(tb, n, false)
}

func start(tb testing.TB, n int, locks bool) []*Store {
	tb.Helper()
	program, err := programs.VersityGateway(tb.Context())
	check(tb, err)
	stores := make([]*Store, n)
	for i := range stores {
		stores[i] = newStore(tb, program, fmt.Sprintf("store-%d", i+1))
		stores[i].Restart(tb)
		stores[i].createBucket(tb, locks)
	}
	return stores
}

func newStore(tb testing.TB, program, name string) *Store {
	tb.Helper()
	s := &Store{
		Name: name, Bucket: Bucket, AdminKeyID: "admin", AdminSecret: rand.Text(),
		program: program, dir: tb.TempDir(), port: freePort(tb),
	}
	for _, dir := range []string{"data", "versions", "iam", "sidecar"} {
		check(tb, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	s.CABundle = authority(tb, filepath.Join(s.dir, "tls.crt"), filepath.Join(s.dir, "tls.key"))
	s.Endpoint = "https://localhost:" + strconv.Itoa(s.port)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.CABundle))
	s.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}}
	tb.Cleanup(s.Stop)
	return s
}

func freePort(tb testing.TB) int {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	check(tb, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// Restart starts the store, again if it runs already, and waits until it answers. Objects stay. Flags are added to the
// gateway's own: "--readonly" makes it refuse writes.
func (s *Store) Restart(tb testing.TB, flags ...string) {
	tb.Helper()
	s.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	arguments := append([]string{
		"--port", "127.0.0.1:" + strconv.Itoa(s.port), "--quiet", "--health", "/health",
		"--cert", filepath.Join(s.dir, "tls.crt"), "--key", filepath.Join(s.dir, "tls.key"),
		"--iam-dir", filepath.Join(s.dir, "iam"),
	}, flags...)
	// Metadata lies in a sidecar, since ext4 gives a file 4 KiB of attributes and a bucket policy outgrows them with
	// the tenth tenant.
	arguments = append(arguments, "posix", "--sidecar", filepath.Join(s.dir, "sidecar"),
		"--versioning-dir", filepath.Join(s.dir, "versions"), filepath.Join(s.dir, "data"))
	s.cmd = exec.Command(s.program, arguments...)
	s.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AdminKeyID, "ROOT_SECRET_KEY="+s.AdminSecret)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	// A killed test must not leave a server behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(tb, s.cmd.Start())
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	s.wait(tb)
}

func (s *Store) wait(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+"/health", http.NoBody)
		check(tb, err)
		if response, err := s.client.Do(request); err == nil {
			_ = response.Body.Close()
			return
		}
		select {
		case <-s.exited:
			tb.Fatalf("%s ended:\n%s", s.Name, s.output.String())
		case <-ctx.Done():
			tb.Fatalf("%s does not answer within %s", s.Name, startTimeout)
		case <-ticker.C:
		}
	}
}

// Stop stops the store; it refuses connections until Restart.
func (s *Store) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Suspend makes the store accept connections and answer nothing, until Resume or Stop.
func (s *Store) Suspend(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	check(tb, s.cmd.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Suspend.
func (s *Store) Resume(tb testing.TB) {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	check(tb, s.cmd.Process.Signal(syscall.SIGCONT))
}

// Admin is a bare client with the administrator's rights.
func (s *Store) Admin() *s3.Client { return s.As(s.AdminKeyID, s.AdminSecret) }

// As is a bare client with the given credentials, for what the product's own client would not do.
func (s *Store) As(accessKeyID, secretAccessKey string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: Region, UsePathStyle: true, HTTPClient: s.client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey}, nil
		}),
	})
}

func (s *Store) createBucket(tb testing.TB, locks bool) {
	tb.Helper()
	_, err := s.Admin().CreateBucket(tb.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(s.Bucket), ObjectLockEnabledForBucket: aws.Bool(locks),
	})
	check(tb, err)
	if !locks {
		_, err := s.Admin().PutBucketVersioning(tb.Context(), &s3.PutBucketVersioningInput{
			Bucket: aws.String(s.Bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		})
		check(tb, err)
	}
	versioning, err := s.Admin().GetBucketVersioning(tb.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String(s.Bucket)})
	check(tb, err)
	if versioning.Status != "Enabled" {
		tb.Fatalf("versions are %q at %s", versioning.Status, s.Name)
	}
}

// Forget removes an account from the store's account file, as somebody with access to the machine would. The store
// restarts, since it keeps accounts in memory.
func (s *Store) Forget(tb testing.TB, accessKeyID string) {
	tb.Helper()
	s.Stop()
	path := filepath.Join(s.dir, "iam", "users.json")
	raw, err := os.ReadFile(path)
	check(tb, err)
	var accounts map[string]map[string]json.RawMessage
	check(tb, json.Unmarshal(raw, &accounts))
	for _, group := range accounts {
		delete(group, accessKeyID)
	}
	raw, err = json.Marshal(accounts)
	check(tb, err)
	check(tb, os.WriteFile(path, raw, 0o600))
	s.Restart(tb)
}
