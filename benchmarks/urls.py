"""The product's URLs and, for comparison, a view that does nothing."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sensenova_billing.urls import urlpatterns as product


class EmptyView(APIView):
    """What Django REST framework costs by itself."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        """Answer nothing."""
        return Response({})


urlpatterns = [path("empty", EmptyView.as_view()), *product]
