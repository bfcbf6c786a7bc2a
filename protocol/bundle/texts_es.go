package bundle

import "comity/protocol/evidence"

var spanish = texts{
	direction:       "ltr",
	title:           "Pruebas de una transmisión entre autoridades",
	test:            "Esto fue una prueba sin efecto alguno.",
	aid:             "Esta hoja ayuda a la lectura. Por sí misma no prueba nada; lo prueban los archivos firmados que la acompañan. Para verificarlos todos, y esta hoja con ellos:",
	notQualified:    "Comity no es un servicio de confianza cualificado, y esto no es prueba de un servicio cualificado de entrega electrónica certificada.",
	whatWasSent:     "Qué se envió",
	parcel:          "Paquete",
	from:            "De",
	to:              "A",
	created:         "Sobre creado, según el nodo remitente",
	expires:         "Por entregar antes de",
	size:            "Bytes sellados",
	sealedDigest:    "SHA-256 de los bytes sellados",
	envelopeDigest:  "SHA-256 del sobre",
	manifestDigest:  "SHA-256 de la lista firmada del contenido",
	notBefore:       "No creado antes de",
	notBeforeBy:     "el sobre contiene un estado, de ese momento, del registro",
	whatHappened:    "Qué ocurrió, en el orden de las horas declaradas",
	reason:          "Motivo:",
	doesNotSay:      "No dice",
	signedBy:        "Firmado por",
	key:             "clave",
	log:             "En el registro",
	entry:           "entrada",
	cosigned:        "Este estado del registro lo firmó también el testigo",
	cosignedByParty: "Este estado del registro lo firmó también una parte en la transmisión, cuya palabra solo vale contra ella misma,",
	notWitnessed:    "Ningún tercero ha presenciado aún esta entrada: su hora y su lugar descansan en la sola palabra de las partes.",
	withdrawal:      "La autoridad remitente firmó que retira el paquete. Las pruebas dicen si fue a tiempo.",
	brokenWitness:   "Una firma aquí en nombre de este testigo es falsa o está incompleta, y no cuenta:",
	keyMarked:       "La ficha marca esta clave como comprometida. Qué supone eso para esta prueba, lo dice la verificación. Comprometida desde",
	logMarked:       "La ficha marca las claves de este registro como comprometidas. Qué supone eso para esta prueba, lo dice la verificación. Comprometidas desde",
	witnessMarked:   "La ficha marca las claves de este testigo como comprometidas, así que su firma no cuenta. Comprometidas desde",
	markAnnounced:   "anunciado el",
	whatIsNotProven: "Qué no prueba esto",
	missing:         "No hay aquí prueba de:",
	stillSealed:     "Qué contiene el paquete. Sigue sellado; el expediente habla solo de su resumen criptográfico.",
	never: []string{
		"Quiénes son los dos Estados. Eso descansa en las fichas que usted mismo posee; compárelas con las de abajo.",
		"Las horas exactas. Cada una es la palabra de quien la firmó; solo la firma de un testigo muestra que algo existía a su hora.",
		"Que alguien esté de acuerdo con lo que el paquete pide, ni que haya actuado en consecuencia.",
	},
	whoseKeys: "De quién son las claves",
	compare:   "Estas fichas dicen qué claves pertenecen a quién. Compare sus resúmenes o sus doce palabras con lo que cada Estado le diga por otra vía.",
	record:    "ficha",
	roles: map[evidence.Role]string{
		evidence.Node: "como nodo", evidence.Act: "por una persona", evidence.Attest: "automáticamente", evidence.Primary: "clave fuera de línea",
	},
	events: map[evidence.Event]sentence{
		evidence.SubmissionAcceptance: {
			"El nodo remitente tomó el paquete sellado, lo guardó de forma segura y lo puso en cola para su entrega.",
			"que haya salido, ni que alguien lo haya recibido.",
		},
		evidence.SubmissionRejection: {
			"El nodo remitente se negó a tomar el paquete; no se envió.",
			"nada del destinatario, a quien no se preguntó.",
		},
		evidence.RelayAcceptance: {
			"El nodo receptor tiene todos los bytes sellados, con el resumen declarado, y los guardó de forma segura.",
			"que alguien pudiera abrirlos, ni que los haya visto.",
		},
		evidence.RelayRejection: {
			"El nodo receptor rechazó el paquete definitivamente.",
			"nada del contenido del paquete, que ningún nodo puede leer.",
		},
		evidence.RelayFailure: {
			"El nodo remitente no tenía ninguna aceptación del nodo receptor cuando escribió esto.",
			"que el lado receptor no tenga el paquete: una aceptación anterior al plazo puede aparecer todavía, y entonces prevalece.",
		},
		evidence.ContentConsignment: {
			"El nodo receptor entregó los bytes sellados a la oficina del destinatario.",
			"que la oficina los haya abierto.",
		},
		evidence.ContentHandover: {
			"La oficina del destinatario abrió el paquete y halló en orden cada firma y cada byte.",
			"que una persona lo haya mirado.",
		},
		evidence.ContentHandoverFailure: {
			"La oficina del destinatario no pudo abrir el paquete, o halló que su interior no concuerda con sus firmas.",
			"de quién es la culpa.",
		},
		evidence.ContentAccessTracking: {
			"Una persona con función autorizada en la oficina del destinatario abrió por primera vez un documento del paquete.",
			"quién fue, ni qué pensó de ello.",
		},
		evidence.ConsignmentAcceptance: {
			"Un funcionario del destinatario acusó recibo formalmente.",
			"que el destinatario esté de acuerdo con lo que el paquete pide, ni que lo vaya a hacer.",
		},
		evidence.ConsignmentRejection: {
			"Un funcionario del destinatario rechazó formalmente el paquete.",
			"nada de un nuevo paquete sobre el mismo asunto.",
		},
	},
	rejectionOfWithdrawn: sentence{
		"El nodo receptor tomó nota de la retirada; no tiene el paquete.",
		"nada del contenido del paquete, que ningún nodo puede leer.",
	},
	failureOfWithdrawn: sentence{
		"El paquete se retiró antes de salir del nodo remitente.",
		"nada del destinatario, a quien no se preguntó.",
	},
}
