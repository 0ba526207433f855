"""Stands before a broker of Kafka that asks nobody who he is: clients log in here, with SCRAM-SHA-512, and then speak to the broker.

kafka_login.py LISTEN BROKER USER PASSWORD [CERT KEY]

LISTEN and BROKER are ports of this machine; the broker has to advertise the first. With a certificate, connections are encrypted. Whoever sends
anything else than a login first is disconnected."""

import asyncio
import ssl
import struct
import sys

from scramp import ScramException, ScramMechanism

HANDSHAKE, API_VERSIONS, AUTHENTICATE = 17, 18, 36
UNSUPPORTED_VERSION, UNKNOWN_MECHANISM, LOGIN_FAILED = 35, 33, 58
SCRAM = ScramMechanism("SCRAM-SHA-512")
HOST = "127.0.0.1"


class Connection:
    """That of a client, until it has logged in."""

    def __init__(self, reader, writer, apis, users):
        self.reader, self.writer, self.apis = reader, writer, apis
        self.login, self.messages = SCRAM.make_server(lambda user: known(users, user)), 0

    async def logs_in(self):
        while self.messages < 2:
            request = await frame(self.reader)
            api, version, number, client = struct.unpack_from(">hhih", request)
            body = request[10 + max(client, 0) :]
            if api == API_VERSIONS:
                # All clients know the first version of it.
                answer, failed = struct.pack(">h", UNSUPPORTED_VERSION if version else 0) + self.apis, False
            elif api == HANDSHAKE:
                failed = text(body) != SCRAM.name
                answer = struct.pack(">hi", UNKNOWN_MECHANISM if failed else 0, 1) + string(SCRAM.name)
            elif api == AUTHENTICATE:
                answer, failed = self.authenticated(body[4:].decode(), version)
            else:
                return False
            self.writer.write(framed(struct.pack(">i", number) + answer))
            await self.writer.drain()
            if failed:
                return False
        return True

    def authenticated(self, message, version):
        """The answer to a message of SCRAM, and whether the login has failed."""
        try:
            if self.messages == 0:
                self.login.set_client_first(message)
                said = self.login.get_server_first()
            else:
                self.login.set_client_final(message)
                said = self.login.get_server_final()
            error, why = 0, struct.pack(">h", -1)
        except ScramException:
            error, why, said = LOGIN_FAILED, string("user or password is wrong"), ""
        self.messages += 1
        lifetime = struct.pack(">q", 0) if version else b""
        return struct.pack(">h", error) + why + struct.pack(">i", len(said)) + said.encode() + lifetime, error != 0


def known(users, user):
    if user not in users:
        raise ScramException("there is no such user")
    return users[user]


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def text(field):
    return field[2 : 2 + struct.unpack_from(">h", field)[0]].decode()


def framed(message):
    return struct.pack(">i", len(message)) + message


async def frame(reader):
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(length)


async def apis_of(reader, writer):
    """The requests that the broker knows, and those of a login, as they are told to clients."""
    writer.write(framed(struct.pack(">hhi", API_VERSIONS, 0, 0) + string("login")))
    answer = await frame(reader)
    (count,) = struct.unpack_from(">i", answer, 6)
    apis = {api: (first, last) for api, first, last in struct.iter_unpack(">hhh", answer[10 : 10 + 6 * count])}
    apis |= {HANDSHAKE: (0, 1), AUTHENTICATE: (0, 1)}
    return struct.pack(">i", len(apis)) + b"".join(struct.pack(">hhh", api, *versions) for api, versions in apis.items())


async def copied(reader, writer):
    try:
        while received := await reader.read(1 << 16):
            writer.write(received)
            await writer.drain()
    finally:
        writer.close()


async def main():
    listen, broker, user, password, *certificate = sys.argv[1:]
    users = {user: SCRAM.make_auth_info(password, iteration_count=4096)}
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)

    async def served(reader, writer):
        try:
            of_broker, to_broker = await asyncio.open_connection(HOST, int(broker))
            try:
                if await Connection(reader, writer, await apis_of(of_broker, to_broker), users).logs_in():
                    await asyncio.gather(copied(reader, to_broker), copied(of_broker, writer))
            finally:
                to_broker.close()
        except (asyncio.IncompleteReadError, ConnectionError, struct.error):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, HOST, int(listen), ssl=context)
    await server.serve_forever()


asyncio.run(main())
