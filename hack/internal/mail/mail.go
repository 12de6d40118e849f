// SPDX-License-Identifier: Apache-2.0

// Package mail is a mail relay that delivers nothing: it keeps every message
// as a file and lists them on a page.
package mail

import (
	"crypto/tls"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

const maxMessage = 10 << 20

// Catcher receives mail.
type Catcher struct {
	dir  string
	smtp *smtp.Server
}

// New returns a catcher that keeps messages in dir.
func New(dir, domain, certFile, keyFile string) (*Catcher, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	c := &Catcher{dir: dir}
	c.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{dir: dir}, nil
	}))
	c.smtp.Domain = domain
	c.smtp.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	c.smtp.MaxMessageBytes = maxMessage
	c.smtp.ReadTimeout, c.smtp.WriteTimeout = time.Minute, time.Minute
	return c, nil
}

// ServeSMTP accepts mail until the listener closes.
func (c *Catcher) ServeSMTP(l net.Listener) error { return c.smtp.Serve(l) }

// ServeWeb lists mail until the listener closes.
func (c *Catcher) ServeWeb(l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.list)
	mux.HandleFunc("GET /{name}", c.show)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(l)
}

type session struct {
	dir  string
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error   { s.to = append(s.to, to); return nil }
func (s *session) Reset()                                      { s.from, s.to = "", nil }
func (s *session) Logout() error                               { return nil }

// Data writes the message with its envelope on top, under a name that sorts by
// time, and renames it last: readers never see half a message.
func (s *session) Data(r io.Reader) error {
	temp, err := os.CreateTemp(s.dir, ".incoming-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = fmt.Fprintf(temp, "Return-Path: <%s>\r\n", s.from)
	for _, to := range s.to {
		if err == nil {
			_, err = fmt.Fprintf(temp, "X-Envelope-To: <%s>\r\n", to)
		}
	}
	if err == nil {
		_, err = io.Copy(temp, r)
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	unique := strings.TrimPrefix(filepath.Base(temp.Name()), ".incoming-")
	name := time.Now().UTC().Format("20060102T150405.000000000") + "-" + unique + ".eml"
	return os.Rename(temp.Name(), filepath.Join(s.dir, name))
}

var page = template.Must(template.New("list").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Caught mail</title>
<h1>Caught mail</h1>
<table><tr><th>Date<th>To<th>Subject</tr>
{{range .}}<tr><td>{{.Date}}<td>{{.To}}<td><a href="/{{.Name}}">{{.Subject}}</a></tr>
{{else}}<tr><td colspan="3">none yet</tr>{{end}}</table></html>
`))

type entry struct{ Name, Date, To, Subject string }

func (c *Catcher) list(w http.ResponseWriter, _ *http.Request) {
	files, err := filepath.Glob(filepath.Join(c.dir, "*.eml"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	slices.Reverse(files)
	var entries []entry
	for _, f := range files {
		entries = append(entries, summary(f))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, entries)
}

func summary(path string) entry {
	e := entry{Name: filepath.Base(path), Subject: filepath.Base(path)}
	f, err := os.Open(path)
	if err != nil {
		return e
	}
	defer func() { _ = f.Close() }()
	message, err := mail.ReadMessage(f)
	if err != nil {
		return e
	}
	e.Date, e.To = message.Header.Get("Date"), message.Header.Get("X-Envelope-To")
	if subject := message.Header.Get("Subject"); subject != "" {
		e.Subject = decode(subject)
	}
	return e
}

func (c *Catcher) show(w http.ResponseWriter, r *http.Request) {
	name := filepath.Base(r.PathValue("name"))
	if !strings.HasSuffix(name, ".eml") {
		http.NotFound(w, r)
		return
	}
	// Plain text: a caught message is looked at, never run.
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFile(w, r, filepath.Join(c.dir, name))
}

// decode reads an encoded header; one that is not valid is shown as it is.
func decode(header string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		return header
	}
	return decoded
}
