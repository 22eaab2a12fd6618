"""Answers without what differs between any two: the id of the request."""


def content_without_id(answer):
    """The content of an answer, which may be an error that holds the id of its request."""
    return answer.content.replace(answer.headers["X-Request-ID"].encode(), b"")
