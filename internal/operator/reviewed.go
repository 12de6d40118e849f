// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	reviewTimeout = 10 * time.Second
	// answerLife is how long a withdrawn right may still read metrics.
	answerLife = time.Minute
	// answersKept bounds what a flood of invented tokens can make us remember.
	answersKept = 64
)

// Reviewed makes the filter before the metrics: it lets in whom the API server knows by a bearer token and allows the
// verb on the path. controller-runtime's own filter asks the same with the libraries the API server is made of, and
// those were a third of the operator's program and of its memory.
func Reviewed(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	authentication, err := authenticationclient.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("preparing reviews of tokens: %w", err)
	}
	authorization, err := authorizationclient.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("preparing reviews of rights: %w", err)
	}
	r := &reviewer{tokens: authentication.TokenReviews(), rights: authorization.SubjectAccessReviews(), answers: map[question]answer{}}
	return func(log logr.Logger, next http.Handler) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			status, err := r.admit(q)
			if err != nil {
				log.Error(err, "a reader of metrics could not be reviewed")
			}
			if status != http.StatusOK {
				http.Error(w, http.StatusText(status), status)
				return
			}
			next.ServeHTTP(w, q)
		}), nil
	}, nil
}

// question is a token, by its hash, and what it wants to do.
type question struct {
	token      [sha256.Size]byte
	verb, path string
}

type answer struct {
	status int
	until  time.Time
}

type reviewer struct {
	tokens authenticationclient.TokenReviewInterface
	rights authorizationclient.SubjectAccessReviewInterface

	mu      sync.Mutex
	answers map[question]answer
}

// admit gives the status to answer with, OK for who may read. A review that failed is an error and is not remembered.
func (r *reviewer) admit(q *http.Request) (status int, err error) {
	scheme, token, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return http.StatusUnauthorized, nil
	}
	asked := question{sha256.Sum256([]byte(token)), strings.ToLower(q.Method), q.URL.Path}
	if known, found := r.known(asked); found {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(q.Context(), reviewTimeout)
	defer cancel()
	if status, err = r.review(ctx, token, asked); err != nil {
		return http.StatusInternalServerError, err
	}
	r.remember(asked, status)
	return status, nil
}

func (r *reviewer) review(ctx context.Context, token string, asked question) (status int, err error) {
	who, err := r.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing a token: %w", err)
	}
	if !who.Status.Authenticated {
		return http.StatusUnauthorized, nil
	}
	user := who.Status.User
	extra := map[string]authorizationv1.ExtraValue{}
	for key, values := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	may, err := r.rights.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: asked.path, Verb: asked.verb},
	}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("reviewing the rights of %s: %w", user.Username, err)
	}
	if !may.Status.Allowed {
		return http.StatusForbidden, nil
	}
	return http.StatusOK, nil
}

func (r *reviewer) known(asked question) (status int, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, found := r.answers[asked]
	return last.status, found && time.Now().Before(last.until)
}

func (r *reviewer) remember(asked question, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) >= answersKept {
		clear(r.answers)
	}
	r.answers[asked] = answer{status, time.Now().Add(answerLife)}
}
