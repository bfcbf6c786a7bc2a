package parcel

import (
	"slices"

	"comity/protocol"
)

// Kind is what a message does in its case. The list is closed, and the meaning
// of a kind never changes. A parcel only names it.
type Kind string

// Consultation: before any legal effect.
const (
	KindConsultationOpen  Kind = "CONSULTATION_OPEN"
	KindConsultationNote  Kind = "CONSULTATION_NOTE"
	KindConsultationClose Kind = "CONSULTATION_CLOSE"
	KindDraftShared       Kind = "DRAFT_SHARED"
	KindDraftComments     Kind = "DRAFT_COMMENTS"
	KindDraftNoObjection  Kind = "DRAFT_NO_OBJECTION"
)

// Request: the request itself; what is asked (mutual legal assistance, extradition, …) stands in its form.
const (
	KindRequest             Kind = "REQUEST"
	KindOralRequestRecord   Kind = "ORAL_REQUEST_RECORD"
	KindWrittenConfirmation Kind = "WRITTEN_CONFIRMATION"
	KindAmendment           Kind = "AMENDMENT"
	KindWithdrawal          Kind = "WITHDRAWAL"
	KindNoLongerNeeded      Kind = "NO_LONGER_NEEDED"
)

// Receipt: what the requested side does first.
const (
	KindAcknowledgement Kind = "ACKNOWLEDGEMENT"
	KindNotCompetent    Kind = "NOT_COMPETENT"
	KindForwarded       Kind = "FORWARDED"
)

// Questions: what is asked and answered on the way.
const (
	KindAdditionalInfoRequest  Kind = "ADDITIONAL_INFO_REQUEST"
	KindAdditionalInfo         Kind = "ADDITIONAL_INFO"
	KindConfidentialityWarning Kind = "CONFIDENTIALITY_WARNING"
	KindProceedDecision        Kind = "PROCEED_DECISION"
	KindCostConsultation       Kind = "COST_CONSULTATION"
	KindCostReply              Kind = "COST_REPLY"
	KindRefusalConsultation    Kind = "REFUSAL_CONSULTATION"
	KindConsultationReply      Kind = "CONSULTATION_REPLY"
	KindConditionsProposed     Kind = "CONDITIONS_PROPOSED"
	KindConditionsAccepted     Kind = "CONDITIONS_ACCEPTED"
	KindConditionsDeclined     Kind = "CONDITIONS_DECLINED"
)

// Decision: what the requested side decides.
const (
	KindDecision     Kind = "DECISION"
	KindRefusal      Kind = "REFUSAL"
	KindPostponement Kind = "POSTPONEMENT"
	KindResumption   Kind = "RESUMPTION"
)

// Execution: what becomes of it.
const (
	KindExecutionStarted Kind = "EXECUTION_STARTED"
	KindProgress         Kind = "PROGRESS"
	KindStatusQuery      Kind = "STATUS_QUERY"
	KindStatusReport     Kind = "STATUS_REPORT"
	KindObstacleNotice   Kind = "OBSTACLE_NOTICE"
	KindPartialResult    Kind = "PARTIAL_RESULT"
	KindResult           Kind = "RESULT"
	KindEvidenceTransfer Kind = "EVIDENCE_TRANSFER"
	KindEvidenceReceipt  Kind = "EVIDENCE_RECEIPT"
)

// Use: what the results may be used for.
const (
	KindUseConsentRequest           Kind = "USE_CONSENT_REQUEST"
	KindUseConsentGrant             Kind = "USE_CONSENT_GRANT"
	KindUseConsentDeny              Kind = "USE_CONSENT_DENY"
	KindExculpatoryDisclosureNotice Kind = "EXCULPATORY_DISCLOSURE_NOTICE"
	KindUseReport                   Kind = "USE_REPORT"
)

// Spontaneous: information that nobody asked for.
const (
	KindSpontaneousOffer    Kind = "SPONTANEOUS_OFFER"
	KindSpontaneousAccept   Kind = "SPONTANEOUS_ACCEPT"
	KindSpontaneousDecline  Kind = "SPONTANEOUS_DECLINE"
	KindSpontaneousContent  Kind = "SPONTANEOUS_CONTENT"
	KindSpontaneousFeedback Kind = "SPONTANEOUS_FEEDBACK"
)

// Preservation: data kept until they are requested.
const (
	KindPreservationConfirmed        Kind = "PRESERVATION_CONFIRMED"
	KindPreservationExtensionRequest Kind = "PRESERVATION_EXTENSION_REQUEST"
	KindPreservationExtended         Kind = "PRESERVATION_EXTENDED"
	KindPreservationReleased         Kind = "PRESERVATION_RELEASED"
	KindPreservationExpired          Kind = "PRESERVATION_EXPIRED"
)

// Extradition: a person sought.
const (
	KindArrestNotice              Kind = "ARREST_NOTICE"
	KindDocumentsFiled            Kind = "DOCUMENTS_FILED"
	KindHearingNotice             Kind = "HEARING_NOTICE"
	KindSurrenderArrangement      Kind = "SURRENDER_ARRANGEMENT"
	KindSurrenderRecord           Kind = "SURRENDER_RECORD"
	KindSpecialtyWaiverRequest    Kind = "SPECIALTY_WAIVER_REQUEST"
	KindSpecialtyWaiverReply      Kind = "SPECIALTY_WAIVER_REPLY"
	KindConflictingRequestsNotice Kind = "CONFLICTING_REQUESTS_NOTICE"
)

// Transfer: of proceedings or of a sentenced person.
const (
	KindTransferDecision Kind = "TRANSFER_DECISION"
	KindReversionNotice  Kind = "REVERSION_NOTICE"
	KindFinalOutcome     Kind = "FINAL_OUTCOME"
)

// Assets: frozen, confiscated, returned.
const (
	KindMeasureInForce       Kind = "MEASURE_IN_FORCE"
	KindMeasureLiftWarning   Kind = "MEASURE_LIFT_WARNING"
	KindAmountRecovered      Kind = "AMOUNT_RECOVERED"
	KindEnforceabilityChange Kind = "ENFORCEABILITY_CHANGE"
	KindDispositionProposal  Kind = "DISPOSITION_PROPOSAL"
	KindDispositionAgreement Kind = "DISPOSITION_AGREEMENT"
	KindReturnRecord         Kind = "RETURN_RECORD"
)

// Documents: originals, translations, what went another way.
const (
	KindOriginalRequested   Kind = "ORIGINAL_REQUESTED"
	KindOriginalProduced    Kind = "ORIGINAL_PRODUCED"
	KindOutOfBandRecord     Kind = "OUT_OF_BAND_RECORD"
	KindTranslationSupplied Kind = "TRANSLATION_SUPPLIED"
)

// Closure: the end of a case.
const (
	KindClosureProposed Kind = "CLOSURE_PROPOSED"
	KindClosed          Kind = "CLOSED"
	KindReopened        Kind = "REOPENED"
)

// Test: without effect; only in parcels that are marked as tests.
const (
	KindConformanceTest Kind = "CONFORMANCE_TEST"
)

// KindGroup is a group of kinds as people choose from it.
type KindGroup struct {
	Name  string
	Kinds []Kind
}

// KindGroups returns every kind once, grouped and in the order of SPEC.md. The
// caller owns the result.
func KindGroups() []KindGroup {
	groups := slices.Clone(kindGroups)
	for i := range groups {
		groups[i].Kinds = slices.Clone(groups[i].Kinds)
	}
	return groups
}

// kindGroups is read-only.
var kindGroups = []KindGroup{
	{"Consultation", []Kind{KindConsultationOpen, KindConsultationNote, KindConsultationClose, KindDraftShared, KindDraftComments, KindDraftNoObjection}},
	{"Request", []Kind{KindRequest, KindOralRequestRecord, KindWrittenConfirmation, KindAmendment, KindWithdrawal, KindNoLongerNeeded}},
	{"Receipt", []Kind{KindAcknowledgement, KindNotCompetent, KindForwarded}},
	{"Questions", []Kind{KindAdditionalInfoRequest, KindAdditionalInfo, KindConfidentialityWarning, KindProceedDecision, KindCostConsultation, KindCostReply, KindRefusalConsultation, KindConsultationReply, KindConditionsProposed, KindConditionsAccepted, KindConditionsDeclined}},
	{"Decision", []Kind{KindDecision, KindRefusal, KindPostponement, KindResumption}},
	{"Execution", []Kind{KindExecutionStarted, KindProgress, KindStatusQuery, KindStatusReport, KindObstacleNotice, KindPartialResult, KindResult, KindEvidenceTransfer, KindEvidenceReceipt}},
	{"Use", []Kind{KindUseConsentRequest, KindUseConsentGrant, KindUseConsentDeny, KindExculpatoryDisclosureNotice, KindUseReport}},
	{"Spontaneous", []Kind{KindSpontaneousOffer, KindSpontaneousAccept, KindSpontaneousDecline, KindSpontaneousContent, KindSpontaneousFeedback}},
	{"Preservation", []Kind{KindPreservationConfirmed, KindPreservationExtensionRequest, KindPreservationExtended, KindPreservationReleased, KindPreservationExpired}},
	{"Extradition", []Kind{KindArrestNotice, KindDocumentsFiled, KindHearingNotice, KindSurrenderArrangement, KindSurrenderRecord, KindSpecialtyWaiverRequest, KindSpecialtyWaiverReply, KindConflictingRequestsNotice}},
	{"Transfer", []Kind{KindTransferDecision, KindReversionNotice, KindFinalOutcome}},
	{"Assets", []Kind{KindMeasureInForce, KindMeasureLiftWarning, KindAmountRecovered, KindEnforceabilityChange, KindDispositionProposal, KindDispositionAgreement, KindReturnRecord}},
	{"Documents", []Kind{KindOriginalRequested, KindOriginalProduced, KindOutOfBandRecord, KindTranslationSupplied}},
	{"Closure", []Kind{KindClosureProposed, KindClosed, KindReopened}},
	{"Test", []Kind{KindConformanceTest}},
}

// Kinds returns every kind once, in the order of KindGroups.
func Kinds() []Kind {
	var all []Kind
	for _, g := range kindGroups {
		all = append(all, g.Kinds...)
	}
	return all
}

// Known reports whether the kind is in the list.
func (k Kind) Known() bool {
	return slices.ContainsFunc(kindGroups, func(g KindGroup) bool { return slices.Contains(g.Kinds, k) })
}

// UnknownKind is how the refusal of a word ends that is no kind.
const UnknownKind = "not in the list of kinds"

// UnmarshalText refuses a word that is not in the list. The word itself is
// content and stays out of the refusal.
func (k *Kind) UnmarshalText(b []byte) error {
	if v := Kind(b); v.Known() {
		*k = v
		return nil
	}
	return protocol.Refuse(protocol.Malformed, UnknownKind)
}
