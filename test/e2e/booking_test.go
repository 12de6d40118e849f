// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

var registration = offer{"de", "zuzug", "spiegelhof"}

// Acceptance 2: a citizen's way through the Basel site.
var _ = Describe("A booking on the Basel site", func() {
	It("appears in its schema and nowhere else, is confirmed by mail with a calendar file, and can be cancelled by its link", func(ctx SpecContext) {
		tenant := tenantOf(ctx, basel)
		citizen, who := open(ctx, tenant), somebody()
		needle := strings.ToLower(strings.TrimPrefix(who.family, "Quittenbaum-"))
		DeferCleanup(func(ctx SpecContext) { forget(ctx, tenant, who) })
		Expect(citizen.get(ctx, "/de/")).To(shows(`lang="de"`, "Anmeldung nach Zuzug", "/de/privacy"))
		link := citizen.book(ctx, registration, who)
		Expect(citizen.get(ctx, link)).To(shows("Ihr Termin ist gebucht", "Spiegelgasse 6", who.given))

		message := mailTo(ctx, who.email, "Terminbestätigung")
		Expect(message["text/calendar"]).To(And(ContainSubstring("BEGIN:VEVENT"), ContainSubstring("METHOD:REQUEST"), ContainSubstring("SEQUENCE:0")))
		Expect(message["text/calendar"]).NotTo(Or(ContainSubstring(who.family), ContainSubstring(link)), "the calendar file names the citizen, or carries the link (A18)")
		Expect(message["text/plain"]).To(ContainSubstring(link))

		By("using the rights behind the link, whose answers are shown and not kept elsewhere")
		Expect(citizen.get(ctx, link+"/data")).To(shows(who.family, who.email))
		Expect(citizen.get(ctx, link+"/data.json").body).To(ContainSubstring(who.family))
		Expect(citizen.get(ctx, link+"/rights").status).To(Equal(http.StatusOK))
		for _, right := range []string{"/object", "/restrict", "/lift"} {
			citizen.follow(ctx, link+right, url.Values{})
		}

		By("searching every database, object, log and store for the citizen")
		place := tenant.Status.Database
		Expect(tablesHolding(ctx, needle)).To(ConsistOf(place.Server + "/" + place.Name + "/" + place.Schema + ".contact"))
		token := link[strings.LastIndex(link, "/")+1:]
		Expect(everywhereHolding(ctx, needle, strings.ToLower(token))).To(BeEmpty(), "a name or a secret link is where it must not be")

		Expect(citizen.get(ctx, link+"/cancel")).To(shows("Termin absagen?"))
		citizen.follow(ctx, link+"/cancel", url.Values{})
		Expect(citizen.get(ctx, link)).To(shows("Ihr Termin ist abgesagt"))
		Expect(mailTo(ctx, who.email, "Termin abgesagt")["text/calendar"]).To(ContainSubstring("METHOD:CANCEL"))
	})

	It("is refused politely when the slot has been taken, with others nearby", func(ctx SpecContext) {
		tenant := tenantOf(ctx, basel)
		citizen := open(ctx, tenant)
		shown := citizen.get(ctx, registration.path())
		starts := shown.starts()
		Expect(starts).NotTo(BeEmpty())
		start := starts[len(starts)/2]
		counters := int(tenant.Spec.Catalogue.Offices[0].Counters)
		for taken := 0; ; taken++ {
			Expect(taken).To(BeNumerically("<=", counters), "more bookings than counters")
			got := citizen.post(ctx, registration.path()+"/hold", slotForm(citizen.get(ctx, registration.path()), start))
			if got.status != http.StatusSeeOther {
				Expect(got.status).To(Equal(http.StatusConflict))
				Expect(got).To(shows("Dieser Termin wurde gerade vergeben"))
				Expect(got.starts()).NotTo(ContainElement(start))
				Expect(got.starts()).NotTo(BeEmpty(), "nothing else is offered")
				break
			}
			DeferCleanup(func(ctx SpecContext) { citizen.follow(ctx, got.location+"/cancel", url.Values{}) })
		}
	})

	It("can be made in German and in English, on pages people have looked at", func(ctx SpecContext) {
		tenant := tenantOf(ctx, basel)
		citizen := open(ctx, tenant)
		for language, says := range map[string]string{"de": "Freie Termine", "en": "Available times"} {
			o := registration
			o.language = language
			Expect(citizen.get(ctx, o.path())).To(shows(says, `lang="`+language+`"`))
			Expect(citizen.get(ctx, "/"+language+"/privacy")).To(shows("Datenschutzbeauftragter des Kantons Basel-Stadt", "Henric Petri-Strasse 15"))
			link, _ := citizen.hold(ctx, o)
			DeferCleanup(func(ctx SpecContext) { citizen.follow(ctx, link+"/cancel", url.Values{}) })
			for name, path := range map[string]string{"home": "/" + language + "/", "slots": o.path(), "contact": link, "privacy": "/" + language + "/privacy"} {
				photograph(ctx, tenant, path, "basel-"+name+"-"+language+".png")
			}
		}
	})
})

// forget removes what a test left of a person: retention would take thirty days.
func forget(ctx context.Context, tenant *v1alpha1.BookingTenant, who person) {
	GinkgoHelper()
	run(ctx, home(ctx, tenant), `DELETE FROM appointment WHERE id IN (SELECT appointment_id FROM contact WHERE family_name = $1)`, who.family)
	for _, file := range mailFiles(who.email) {
		Expect(os.Remove(file)).To(Succeed())
	}
}

func mailFiles(address string) (found []string) {
	files, err := filepath.Glob(filepath.Join(ends.Mail.Dir, "*.eml"))
	Expect(err).NotTo(HaveOccurred())
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err == nil && bytes.Contains(raw, []byte("X-Envelope-To: <"+address+">")) {
			found = append(found, file)
		}
	}
	return found
}

// mailTo waits for a mail to an address and gives its parts by media type.
func mailTo(ctx context.Context, address, subject string) (parts map[string]string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		parts = nil
		for _, file := range mailFiles(address) {
			raw, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			message, err := mail.ReadMessage(bytes.NewReader(raw))
			g.Expect(err).NotTo(HaveOccurred())
			decoded, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
			g.Expect(err).NotTo(HaveOccurred())
			if strings.HasPrefix(decoded, subject) {
				parts = map[string]string{}
				partsOf(g, message.Header.Get("Content-Type"), message.Header.Get("Content-Transfer-Encoding"), message.Body, parts)
			}
		}
		g.Expect(parts).NotTo(BeNil(), "no mail of this subject came")
	}).WithContext(ctx).Should(Succeed())
	return parts
}

func partsOf(g Gomega, contentType, encoding string, body io.Reader, into map[string]string) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	g.Expect(err).NotTo(HaveOccurred())
	if strings.HasPrefix(kind, "multipart/") {
		reader := multipart.NewReader(body, parameters["boundary"])
		for {
			part, err := reader.NextRawPart()
			if err == io.EOF {
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			partsOf(g, part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part, into)
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	raw, err := io.ReadAll(body)
	g.Expect(err).NotTo(HaveOccurred())
	// A calendar file folds long lines.
	into[kind] = strings.ReplaceAll(string(raw), "\r\n ", "")
}

// photograph takes a picture of a page in a browser without a screen.
func photograph(ctx context.Context, tenant *v1alpha1.BookingTenant, path, name string) {
	GinkgoHelper()
	chromium, err := exec.LookPath("chromium")
	Expect(err).NotTo(HaveOccurred(), "install the Debian package chromium, or run `make packages`")
	ingress, found := ends.Ingress(tenant.Spec.RegionRef.Name)
	Expect(found).To(BeTrue())
	picture := artefact(name)
	Expect(os.RemoveAll(picture)).To(Succeed())
	// The port follows the host, as a citizen of this machine would type it.
	address := "http://" + string(tenant.Spec.Instance.Hosts[0]) + ":" + strconv.Itoa(ingress.HTTPPort) + path
	command := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--user-data-dir="+GinkgoT().TempDir(), "--window-size=1000,1400", "--screenshot="+picture, address)
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	raw, err := os.ReadFile(picture)
	Expect(err).NotTo(HaveOccurred())
	Expect(len(raw)).To(BeNumerically(">", 10_000), "the picture is empty")
}
