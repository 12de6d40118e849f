// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/operator"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

var _ = Describe("A change of the catalogue that leaves confirmed appointments without an office", func() {
	It("is told by office and service, takes no appointment, and is told no more once the office is back", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator(func(o *operator.Options) {
			o.ReadNotices = true
			// Short, so that silence soon counts; Unknown in between does no harm here.
			o.MaxEvidenceAge = 10 * time.Second
		})
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Replicas = 1 })
		site := w.runInstance(ctx, tenant)
		eventually(ctx, tenant, v1alpha1.ConditionAppointmentsCovered, metav1.ConditionTrue)
		catalogue := get(ctx, tenant).Spec.Catalogue
		office, service := catalogue.Offices[0].Name, catalogue.Services[0]
		w.bookAt(ctx, tenant, string(office), service, 2)

		By("the office getting another name, which is another office")
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Offices[0].Name = "anderswo" })
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		claim := eventually(ctx, tenant, v1alpha1.ConditionAppointmentsCovered, metav1.ConditionFalse,
			saying("2 confirmed appointments", "office "+string(office), "service "+string(service.Name), "the office is gone", "write to those who come"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonAppointmentsOrphaned))
		Eventually(func() string { return w.events(ctx, tenant) }).Should(ContainSubstring("AppointmentsCovered is False: the catalogue has no room for 2"))
		raw, err := json.Marshal(get(ctx, tenant))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(raw) + w.events(ctx, tenant)).NotTo(ContainSubstring("Quittenbaum"))
		Expect(value[int64](ctx, w, `SELECT count(*) FROM `+dataIDOf(tenant)+`.appointment WHERE state = 'confirmed'`)).To(BeEquivalentTo(2))

		By("the office coming back, open around the clock")
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Offices[0].Name = office
			t.Spec.Catalogue.Offices[0].OpeningHours, t.Spec.Catalogue.Offices[0].Closures, t.Spec.Catalogue.Offices[0].Holidays = aroundTheClock(), nil, ""
		})
		eventually(ctx, tenant, v1alpha1.ConditionAppointmentsCovered, metav1.ConditionTrue)

		By("nobody answering any more")
		site.kill()
		eventually(ctx, tenant, v1alpha1.ConditionAppointmentsCovered, metav1.ConditionUnknown)
	})
})

func aroundTheClock() (hours []v1alpha1.OpeningHours) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		hours = append(hours, v1alpha1.OpeningHours{Day: v1alpha1.Weekday(day.String()), From: "00:00", Until: "24:00"})
	}
	return hours
}

// runInstance plays the kubelet: the tenant's only pod runs the real site, at an address of its own, from the Secret and
// the ConfigMap the operator makes.
func (w *world) runInstance(ctx context.Context, tenant *v1alpha1.BookingTenant) *running {
	GinkgoHelper()
	listener, err := freeAddress()
	Expect(err).NotTo(HaveOccurred())
	pods := w.serve(ctx, tenant, w.name+"-trusted")
	Expect(pods).To(HaveLen(1))
	live := &corev1.Pod{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(pods[0]), live)).To(Succeed())
	before := live.DeepCopy()
	live.Status.Phase, live.Status.PodIP, live.Status.PodIPs = corev1.PodRunning, listener, []corev1.PodIP{{IP: listener}}
	Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())

	folder := GinkgoTB().TempDir()
	secret := instanceSecret(ctx, tenant)
	for _, key := range []string{settings.UsernameKey, settings.PasswordKey} {
		Expect(os.WriteFile(filepath.Join(folder, key), secret.Data[key], 0o600)).To(Succeed())
	}
	file := filepath.Join(folder, settings.FileKey)
	refresh := func(ctx context.Context) {
		document := &corev1.ConfigMap{}
		if err := admin.Get(ctx, client.ObjectKey{Namespace: tenant.Namespace, Name: tenant.Name + "-booking"}, document); err != nil {
			return
		}
		if os.WriteFile(file+".new", []byte(document.Data[settings.FileKey]), 0o600) == nil {
			_ = os.Rename(file+".new", file)
		}
	}
	refresh(ctx)
	lives, cancel := context.WithCancel(context.Background())
	ended := &running{cancel: cancel, done: make(chan struct{})}
	go func() {
		for ticker := time.NewTicker(200 * time.Millisecond); ; {
			select {
			case <-lives.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				refresh(lives)
			}
		}
	}()
	go func() {
		defer GinkgoRecover()
		defer close(ended.done)
		Expect(instance.Run(lives, instance.Options{SettingsFile: file, DatabaseDir: folder, Listen: "127.0.0.1:0",
			InternalListen: net.JoinHostPort(listener, strconv.Itoa(resources.PortInternal)), Log: slog.New(slog.NewTextHandler(logTo(), nil))})).To(Succeed())
	}()
	DeferCleanup(ended.kill)
	return ended
}

// freeAddress is one of this machine's where nobody listens yet on the port of instances.
func freeAddress() (string, error) {
	for n := range 200 {
		address := fmt.Sprintf("127.%d.%d.9", 80+os.Getpid()%100, n)
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(resources.PortInternal)))
		if err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("port %d is taken at every address of this machine", resources.PortInternal)
}

// bookAt puts confirmed appointments of somebody into the tenant's schema, one after the other, from tomorrow on.
func (w *world) bookAt(ctx context.Context, tenant *v1alpha1.BookingTenant, office string, service v1alpha1.Service, count int) {
	GinkgoHelper()
	schema := dataIDOf(tenant)
	for n := range count {
		execute(ctx, w, `WITH a AS (INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, confirmed_at)
			VALUES ($1, 1, $2, $3, date_trunc('hour', now()) + interval '1 day' + $4 * interval '1 hour', date_trunc('hour', now()) + interval '1 day 10 minutes' + $4 * interval '1 hour',
				'confirmed', 'de', sha256($5::bytea), now()) RETURNING id)
			INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, email, notice_date) SELECT id, 'Zoë', 'Quittenbaum', 'zoe@example.org', '2026-05-31' FROM a`,
			office, string(service.Name), string(service.Channels[0]), n, []byte(strconv.Itoa(n)))
	}
}

// events of a tenant, one a line.
func (w *world) events(ctx context.Context, tenant *v1alpha1.BookingTenant) (told string) {
	GinkgoHelper()
	list := &eventsv1.EventList{}
	Expect(admin.List(ctx, list, client.InNamespace(tenant.Namespace))).To(Succeed())
	for _, event := range list.Items {
		if event.Regarding.Name == tenant.Name {
			told += event.Type + " " + event.Reason + ": " + event.Note + "\n"
		}
	}
	return told
}
