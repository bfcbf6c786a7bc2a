package statement

import (
	"fmt"

	"comity/protocol"
)

// Packet carries one signed document over the wire or in a file, with the proof
// that it stands in its issuer's log. The packet itself is not signed and has no
// meaning of its own: whoever takes one verifies what is in it.
type Packet struct {
	Signed
	// Proof is a C2SP tlog-proof, a text; nil where there is none (yet).
	Proof []byte `json:"proof" carry:"text,null" long:"86016"`
}

// packets is the list form.
type packets struct {
	Packets []Packet `json:"packets"`
}

// size is about what the packet has as JSON: every quote and line end of its
// texts takes two bytes there.
func (p *Packet) size() int {
	return 256 + (len(p.Document)+len(p.Signature)+len(p.Proof))*4/3
}

// SizeOf is about what the packets have as JSON.
func SizeOf(list []Packet) int {
	size := 256
	for i := range list {
		size += list[i].size()
	}
	return size
}

// EncodePacket writes p as one strict JSON object without a type:
// {"document": "…", "signature": "…", "proof": "…" or null}.
func EncodePacket(p Packet) ([]byte, error) {
	data, err := EncodeCarrier(p, p.size())
	if err != nil {
		return nil, fmt.Errorf("packing a signed document: %w", err)
	}
	return data, nil
}

// DecodePacket reads what EncodePacket wrote, of at most limit bytes
// (protocol.MaxPacket for envelopes and evidence). The texts come out as the
// exact bytes that went in; they are not judged.
func DecodePacket(data []byte, limit int) (Packet, error) {
	var p Packet
	err := Decode(data, "", limit, &p)
	return p, err
}

// EncodePackets writes the list form: {"packets": […]}.
func EncodePackets(list []Packet) ([]byte, error) {
	data, err := EncodeCarrier(packets{list}, SizeOf(list))
	if err != nil {
		return nil, fmt.Errorf("packing %d signed documents: %w", len(list), err)
	}
	return data, nil
}

// DecodePackets reads what EncodePackets wrote, of at most limit bytes and
// count packets; more are refused as TooLarge.
func DecodePackets(data []byte, limit, count int) ([]Packet, error) {
	var list packets
	if err := Decode(data, "", limit, &list); err != nil {
		return nil, err
	}
	if len(list.Packets) > count {
		return nil, protocol.Refuse(protocol.TooLarge, "packets: %d in one list, at most %d allowed", len(list.Packets), count)
	}
	return list.Packets, nil
}
