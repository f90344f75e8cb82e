import pytest
from video import ApiError, make_video


def test_a_video_costs_four_credits(nanophoto):
    assert make_video("A cat at the piano", nanophoto.sleep).endswith(".mp4")
    nanophoto.assert_spent(4)
    nanophoto.assert_well_behaved()


def test_a_failed_video_is_refunded(nanophoto):
    nanophoto.fail_next()
    with pytest.raises(ApiError, match="GENERATION_FAILED"):
        make_video("A cat at the piano", nanophoto.sleep)
    nanophoto.assert_spent(0)


def test_a_video_over_the_rate_limit_is_rejected(nanophoto):
    nanophoto.rate_limit(remaining=0)
    with pytest.raises(ApiError, match="API_KEY_RATE_LIMIT_EXCEEDED"):
        make_video("A cat at the piano", nanophoto.sleep)
    nanophoto.assert_spent(0)


@pytest.mark.nanophoto(clock="frozen")
def test_polls_every_five_seconds(nanophoto):
    make_video("A cat at the piano @emulator(duration=12s)", nanophoto.sleep)
    assert nanophoto.requests.count(path="/api/sora-2/check-status") == 3
    nanophoto.assert_well_behaved()
