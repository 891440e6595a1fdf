package main

import (
	"encoding/binary"
	"hash/crc32"
)

// The two chunks (RFC 9260, section 3.3) that begin an association. No more
// of SCTP is needed to see where a packet is sent, and conntrack and NAT treat
// an association's first two packets as they do those of a real one.
const (
	chunkInit    = 1
	chunkInitAck = 2

	parameterStateCookie = 7
	sctpHeaderLength     = 12
	initLength           = 20
)

// sctpPacket is an SCTP packet with one chunk, INIT or INIT ACK.
type sctpPacket struct {
	sourcePort, destinationPort uint16
	// verificationTag is 0 for INIT, and the peer's initiateTag for all else.
	verificationTag uint32
	chunk           byte
	initiateTag     uint32
	// cookie is the state cookie of INIT ACK; empty for none.
	cookie string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode gives the packet with its checksum.
func (p sctpPacket) encode() []byte {
	packet := make([]byte, sctpHeaderLength+initLength)
	binary.BigEndian.PutUint16(packet[0:], p.sourcePort)
	binary.BigEndian.PutUint16(packet[2:], p.destinationPort)
	binary.BigEndian.PutUint32(packet[4:], p.verificationTag)
	chunk := packet[sctpHeaderLength:]
	chunk[0] = p.chunk
	binary.BigEndian.PutUint32(chunk[4:], p.initiateTag)
	binary.BigEndian.PutUint32(chunk[8:], 65536) // the receiver's window
	binary.BigEndian.PutUint16(chunk[12:], 1)    // outbound streams
	binary.BigEndian.PutUint16(chunk[14:], 1)    // inbound streams
	binary.BigEndian.PutUint32(chunk[16:], 1)    // the first TSN
	if p.cookie != "" {
		parameter := make([]byte, 4, 4+len(p.cookie)+3)
		binary.BigEndian.PutUint16(parameter[0:], parameterStateCookie)
		binary.BigEndian.PutUint16(parameter[2:], uint16(4+len(p.cookie)))
		parameter = append(parameter, p.cookie...)
		packet = append(packet, parameter...)
	}
	binary.BigEndian.PutUint16(packet[sctpHeaderLength+2:], uint16(len(packet)-sctpHeaderLength))
	// Padding is part of the packet, and not of the chunk's length.
	for len(packet)%4 != 0 {
		packet = append(packet, 0)
	}
	// Little-endian, as RFC 9260's appendix A has it for this polynomial.
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, castagnoli))
	return packet
}

// parseSCTP reads a packet whose first chunk is INIT or INIT ACK.
func parseSCTP(packet []byte) (sctpPacket, bool) {
	if len(packet) < sctpHeaderLength+initLength {
		return sctpPacket{}, false
	}
	chunk := packet[sctpHeaderLength:]
	if chunk[0] != chunkInit && chunk[0] != chunkInitAck {
		return sctpPacket{}, false
	}
	parsed := sctpPacket{
		sourcePort:      binary.BigEndian.Uint16(packet[0:]),
		destinationPort: binary.BigEndian.Uint16(packet[2:]),
		verificationTag: binary.BigEndian.Uint32(packet[4:]),
		chunk:           chunk[0],
		initiateTag:     binary.BigEndian.Uint32(chunk[4:]),
	}
	if parameter := chunk[initLength:]; len(parameter) > 4 && binary.BigEndian.Uint16(parameter) == parameterStateCookie {
		if length := int(binary.BigEndian.Uint16(parameter[2:])); length >= 4 && length <= len(parameter) {
			parsed.cookie = string(parameter[4:length])
		}
	}
	return parsed, true
}
