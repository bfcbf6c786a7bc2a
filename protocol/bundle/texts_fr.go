package bundle

import "comity/protocol/evidence"

var french = texts{
	direction:       "ltr",
	title:           "Preuves d’une transmission entre autorités",
	test:            "Il s’agit d’un essai, sans aucun effet.",
	aid:             "Cette feuille aide à la lecture. Elle ne prouve rien par elle-même ; ce sont les fichiers signés qui l’accompagnent qui prouvent. Pour les vérifier tous, et cette feuille avec eux :",
	notQualified:    "Comity n’est pas un service de confiance qualifié, et ceci n’est pas une preuve d’un service d’envoi recommandé électronique qualifié.",
	whatWasSent:     "Ce qui a été envoyé",
	parcel:          "Colis",
	from:            "De",
	to:              "À",
	created:         "Enveloppe établie, selon le nœud expéditeur",
	expires:         "À remettre avant",
	size:            "Octets scellés",
	sealedDigest:    "SHA-256 des octets scellés",
	envelopeDigest:  "SHA-256 de l’enveloppe",
	manifestDigest:  "SHA-256 de la liste signée du contenu",
	notBefore:       "Pas établie avant",
	notBeforeBy:     "l’enveloppe contient un état, daté de ce moment, du journal",
	whatHappened:    "Ce qui s’est passé, dans l’ordre des heures déclarées",
	reason:          "Motif :",
	doesNotSay:      "Cela ne dit pas",
	signedBy:        "Signé par",
	key:             "clé",
	log:             "Dans le journal",
	entry:           "entrée",
	cosigned:        "Cet état du journal a aussi été signé par le témoin",
	cosignedByParty: "Cet état du journal a aussi été signé par une partie à la transmission, dont la parole ne vaut que contre elle-même,",
	notWitnessed:    "Aucun tiers n’a encore été témoin de cette entrée : son heure et sa place reposent sur la seule parole des parties.",
	withdrawal:      "L’autorité expéditrice a signé qu’elle retire le colis. Les preuves disent si ce fut à temps.",
	brokenWitness:   "Une signature au nom de ce témoin est ici fausse ou incomplète, et ne compte pas :",
	keyMarked:       "La fiche marque cette clé comme compromise. L’effet sur cette preuve, la vérification le dit. Compromise depuis le",
	logMarked:       "La fiche marque les clés de ce journal comme compromises. L’effet sur cette preuve, la vérification le dit. Compromises depuis le",
	witnessMarked:   "La fiche marque les clés de ce témoin comme compromises ; sa signature ne compte donc pas. Compromises depuis le",
	markAnnounced:   "annoncé le",
	whatIsNotProven: "Ce que ceci ne prouve pas",
	missing:         "Il n’y a ici aucune preuve de :",
	stillSealed:     "Ce que le colis contient. Il reste scellé ; le dossier ne parle que de son empreinte.",
	never: []string{
		"Qui sont les deux États. Cela repose sur les fiches que vous détenez vous-même ; comparez-les avec celles ci-dessous.",
		"Les heures exactes. Chacune est la parole de qui l’a signée ; seule la signature d’un témoin montre qu’une chose existait à son heure.",
		"Que quelqu’un approuve ce que le colis demande, ou y a donné suite.",
	},
	whoseKeys: "À qui sont les clés",
	compare:   "Ces fiches disent quelles clés appartiennent à qui. Comparez leurs empreintes ou leurs douze mots avec ce que chaque État vous dit par une autre voie.",
	record:    "fiche",
	roles: map[evidence.Role]string{
		evidence.Node: "en tant que nœud", evidence.Act: "par une personne", evidence.Attest: "automatiquement", evidence.Primary: "clé hors ligne",
	},
	events: map[evidence.Event]sentence{
		evidence.SubmissionAcceptance: {
			"Le nœud expéditeur a pris le colis scellé, l’a mis en sûreté et en attente de remise.",
			"qu’il est parti, ni que quelqu’un l’a reçu.",
		},
		evidence.SubmissionRejection: {
			"Le nœud expéditeur a refusé de prendre le colis ; il n’a pas été envoyé.",
			"quoi que ce soit du destinataire, qui n’a pas été sollicité.",
		},
		evidence.RelayAcceptance: {
			"Le nœud destinataire a tous les octets scellés, avec l’empreinte déclarée, et les a mis en sûreté.",
			"que quelqu’un a pu les ouvrir, ni qu’on les a vus.",
		},
		evidence.RelayRejection: {
			"Le nœud destinataire a refusé le colis définitivement.",
			"quoi que ce soit du contenu du colis, qu’aucun nœud ne peut lire.",
		},
		evidence.RelayFailure: {
			"Le nœud expéditeur ne détenait aucune acceptation du nœud destinataire lorsqu’il a écrit ceci.",
			"que le côté destinataire n’a pas le colis : une acceptation antérieure à l’échéance peut encore apparaître, et l’emporte alors.",
		},
		evidence.ContentConsignment: {
			"Le nœud destinataire a remis les octets scellés au bureau du destinataire.",
			"que le bureau les a ouverts.",
		},
		evidence.ContentHandover: {
			"Le bureau du destinataire a ouvert le colis et trouvé chaque signature et chaque octet en ordre.",
			"qu’une personne l’a regardé.",
		},
		evidence.ContentHandoverFailure: {
			"Le bureau du destinataire n’a pas pu ouvrir le colis, ou a constaté que l’intérieur ne concorde pas avec ses signatures.",
			"à qui en est la faute.",
		},
		evidence.ContentAccessTracking: {
			"Une personne habilitée du bureau du destinataire a ouvert pour la première fois un document du colis.",
			"qui c’était, ni ce qu’elle en a pensé.",
		},
		evidence.ConsignmentAcceptance: {
			"Un agent du destinataire a formellement accusé réception.",
			"que le destinataire approuve ce que le colis demande, ni qu’il le fera.",
		},
		evidence.ConsignmentRejection: {
			"Un agent du destinataire a formellement rejeté le colis.",
			"quoi que ce soit d’un nouveau colis sur la même affaire.",
		},
	},
	rejectionOfWithdrawn: sentence{
		"Le nœud destinataire a pris acte du retrait ; il n’a pas le colis.",
		"quoi que ce soit du contenu du colis, qu’aucun nœud ne peut lire.",
	},
	failureOfWithdrawn: sentence{
		"Le colis a été retiré avant d’avoir quitté le nœud expéditeur.",
		"quoi que ce soit du destinataire, qui n’a pas été sollicité.",
	},
}
