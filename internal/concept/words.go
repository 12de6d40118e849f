// SPDX-License-Identifier: Apache-2.0

package concept

import (
	"fmt"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// language is everything a concept says that its authors did not write.
type language struct {
	title, regime, basis, revision, rules, copies, backup, enforcement, purge, rewrite, paused, history, signature, lines string
	// archived takes how long and by what law.
	archived string

	columns []string
	names   map[string]string
	units   map[byte]string
}

// of names a category, start event or action; what has no name yet is shown as the API writes it.
func (l *language) of(name string) string {
	if said, ok := l.names[name]; ok {
		return said
	}
	return name
}

// action is what becomes of a record, and where the archive's part is said: how long it keeps it and why.
func (l *language) action(rule *v1alpha1.RetentionRule) string {
	if rule.Archive == nil {
		return l.of(string(rule.Action))
	}
	return fmt.Sprintf(l.archived, l.period(rule.Archive.Period), cell(rule.Archive.LegalBasis))
}

func (l *language) period(p v1alpha1.Period) string {
	text := string(p)
	if text == "" {
		return "–"
	}
	unit, known := l.units[text[len(text)-1]]
	if !known {
		return text
	}
	return text[:len(text)-1] + " " + unit
}

var languages = map[string]*language{
	"de": {
		title: "Löschkonzept nach DIN 66398 und ISO/IEC 27555", regime: "Recht", basis: "Rechtsgrundlage", revision: "Revision",
		rules:       "Löschregeln",
		columns:     strings.Split("Datenart|Löschklasse|Startzeitpunkt|Frist|Maßnahme|Begründung|Verantwortlich|Freigegeben am", "|"),
		copies:      "Sicherungen",
		backup:      "Jede Sicherung wird %s nach dem Beginn ihres Abzugs an jedem Ort und in jeder Version gelöscht (Löschklasse %s). Begründung: %s",
		enforcement: "Umsetzung", purge: "Gelöscht wird nach dem Zeitplan `%s` (%s). Was %s nach Ablauf der Frist noch da ist, gilt als überfällig. Eine verlängerte Frist gilt nie für bereits Erhobenes.",
		archived: "Dem Archiv übergeben, dann löschen; das Archiv behält es bis %s nach dem Startzeitpunkt (%s)",
		rewrite:  "Der Speicher wird alle %s neu geschrieben.", paused: "Das Löschen ist ausgesetzt bis %s: %s",
		history: "Geänderte Fristen", signature: "Freigabe", lines: "Datenschutzbeauftragte Person: ____________________  Datum: ____________",
		units: map[byte]string{'m': "Minuten", 'h': "Stunden", 'd': "Tage"},
		names: map[string]string{
			"Hold": "Vorläufig gehaltener Termin", "UnconfirmedBooking": "Unbestätigte Buchung", "Contact": "Kontaktdaten", "Appointment": "Termin",
			"Message": "Nachricht", "Attachment": "Anhang", "AccessLog": "Zugriffsprotokoll", "AbuseCase": "Missbrauchsfall",
			"SessionAddress": "IP-Adresse der Videositzung", "SessionMetadata": "Technische Sitzungsdaten", "SignatureBiometrics": "Schreibdaten der Unterschrift",
			"Consent": "Einwilligung", "AuditLog": "Änderungsprotokoll", "ErasureJournal": "Löschjournal (HMAC)", "MailOutbox": "Postausgang",
			"TenantData": "Gesamtbestand nach Vertragsende", "Creation": "Speicherung", "AppointmentEnd": "Ende oder Absage des Termins",
			"CaseOpened": "Eröffnung des Falls", "Signing": "Unterschrift", "Withdrawal": "Widerruf oder Zweckende", "Erasure": "Löschung",
			"Sent": "Versand oder letzter Fehlschlag", "ContractEnd": "Vertragsende", "Delete": "Löschen", "Anonymize": "Anonymisieren (zu Zählwerten)",
			"Strip": "Personenbezug entfernen",
		},
	},
	"en": {
		title: "Deletion concept after DIN 66398 and ISO/IEC 27555", regime: "Law", basis: "Legal basis", revision: "Revision",
		rules:       "Deletion rules",
		columns:     strings.Split("Kind of data|Deletion class|Starts with|Period|Action|Justification|Responsible|Approved on", "|"),
		copies:      "Backups",
		backup:      "Every backup is deleted %s after the start of its snapshot, every version at every store (deletion class %s). Justification: %s",
		enforcement: "Enforcement", purge: "Records are purged on the schedule `%s` (%s). What is still there %s after its period counts as overdue. A longer period never applies to what was collected before.",
		archived: "hand over to the archive, then delete; the archive keeps it until %s after the start (%s)",
		rewrite:  "The storage is written anew every %s.", paused: "Deletion is suspended until %s: %s",
		history: "Changed periods", signature: "Approval", lines: "Data protection officer: ____________________  Date: ____________",
		units: map[byte]string{'m': "minutes", 'h': "hours", 'd': "days"},
		names: map[string]string{
			"Hold": "Slot held while booking", "UnconfirmedBooking": "Unconfirmed booking", "Contact": "Contact data", "Appointment": "Appointment",
			"Message": "Message", "Attachment": "Attachment", "AccessLog": "Access log", "AbuseCase": "Abuse case", "SessionAddress": "Address of a video session",
			"SessionMetadata": "Technical session data", "SignatureBiometrics": "Signature biometrics", "Consent": "Consent", "AuditLog": "Audit log",
			"ErasureJournal": "Erasure journal (HMAC)", "MailOutbox": "Mail outbox", "TenantData": "Everything after the contract's end",
			"Creation": "storage", "AppointmentEnd": "end or cancellation of the appointment", "CaseOpened": "opening of the case", "Signing": "signing",
			"Withdrawal": "withdrawal or end of purpose", "Erasure": "erasure", "Sent": "sending or last failure", "ContractEnd": "end of the contract",
			"Delete": "delete", "Anonymize": "anonymise (to counts)", "Strip": "strip of the person",
		},
	},
}
